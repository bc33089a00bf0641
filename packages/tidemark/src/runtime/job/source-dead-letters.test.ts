import { describe, expect, it } from 'vitest'
import { defineJob } from '../../api/define-job.ts'
import type { Sink } from '../../core/sink.ts'
import type { Source } from '../../core/source.ts'
import { CHECKPOINTS, failureOf, JobBench } from '../../testing/job-bench/job-bench.ts'
import { watchedSink } from '../../testing/job-bench/watched-sink.ts'
import { PushLog, pushSource } from '../../testing/test-job/push-source.ts'

/** Every third of `count` numbers cannot be decoded. */
function mixed(count: number): PushLog {
  const log = new PushLog('numbers')
  for (let number = 0; number < count; number++) log.push([number], isBad(number))
  return log
}

const isBad = (number: number) => number % 3 === 0
const numbers = (count: number, accept: (number: number) => boolean) =>
  Array.from({ length: count }, (_, number) => number).filter(accept)

function source(log: PushLog, deadLetters?: Sink<number>): Source<number> {
  return { ...pushSource<number>(log), ...(deadLetters === undefined ? {} : { deadLetters }) }
}

function job(given: Source<number>, out: Sink<number>, keyed = false) {
  return defineJob('reading', (build) => {
    const records = build.source('numbers', given)
    if (keyed) {
      const counts = records.keyBy((number) => number).runningCount('count')
      counts.map(([number]) => number).to('out', out)
    } else records.to('out', out)
  })
}

const byNumber = (left: number, right: number) => left - right

describe('a source with dead letters', () => {
  it.each([
    { parallelism: 1, keyed: false },
    { parallelism: 2, keyed: false },
    { parallelism: 3, keyed: true },
  ])(
    'gives each to its own sink exactly once, through crashes: parallelism $parallelism, keyed $keyed',
    async ({ parallelism, keyed }) => {
      for (let seed = 1; seed <= 15; seed++) {
        const bench = new JobBench(seed)
        const log = mixed(60)
        const [out, dead] = [watchedSink<number>(), watchedSink<number>()]
        const definition = job(source(log, dead.sink), out.sink, keyed)
        for (let life = 0; life < 3; life++) {
          bench.start(definition, { parallelism })
          await bench.next('checkpoint-completed')
          log.push([100 + life], true)
          for (let turns = 0; turns < seed * 7; turns++) await bench.clock.turn()
          bench.kill()
        }
        log.end()
        await bench.drive(bench.start(definition, { parallelism }).result)
        expect([...out.collector.records].sort(byNumber)).toEqual(numbers(60, (number) => !isBad(number)))
        expect([...dead.collector.records].sort(byNumber)).toEqual([...numbers(60, isBad), 100, 101, 102])
      }
    },
  )

  it.each(['out', 'dead'])('loses nothing while the sink %s takes no records', async (slow) => {
    const bench = new JobBench()
    const log = mixed(300)
    log.end()
    let accepted = 0
    const hooks = { accepts: () => accepted-- > 0 }
    const out = watchedSink<number>(slow === 'out' ? hooks : {})
    const dead = watchedSink<number>(slow === 'dead' ? hooks : {})
    const master = bench.start(job(source(log, dead.sink), out.sink), { batchSize: 8, checkpointInterval: '1h' })
    await bench.next('started')
    const count = (operator: string) =>
      master.metrics().operators.find((each) => each.operator === operator)?.recordsIn ?? 0
    for (let taken = 1; taken <= 50; taken++) {
      accepted = 1
      ;(slow === 'out' ? out : dead).wake()
      await bench.rest()
      const waiting = count('numbers') - count('out') - count('numbers.dead-letters')
      expect(waiting).toBeGreaterThan(0)
      expect(waiting).toBeLessThanOrEqual(8)
    }
    accepted = Number.POSITIVE_INFINITY
    ;(slow === 'out' ? out : dead).wake()
    await bench.drive(master.result)
    expect(out.collector.records).toEqual(numbers(300, (number) => !isBad(number)))
    expect(dead.collector.records).toEqual(numbers(300, isBad))
  })

  it('stops reading while its dead letters wait', async () => {
    const bench = new JobBench()
    const log = mixed(300)
    log.end()
    const out = watchedSink<number>()
    const dead = watchedSink<number>({ accepts: () => false })
    const master = bench.start(job(source(log, dead.sink), out.sink), { batchSize: 8, checkpointInterval: '1h' })
    await bench.next('started')
    await bench.rest()
    const read = master.metrics().operators.find(({ operator }) => operator === 'numbers')!.recordsIn
    expect(read).toBeGreaterThan(0)
    expect(read).toBeLessThanOrEqual(8)
    bench.kill()
  })

  it('counts what it rejected, with and without a sink for it', async () => {
    const log = mixed(30)
    log.end()
    const [withSink, without] = [new JobBench(), new JobBench()]
    const dead = watchedSink<number>()
    const first = await withSink.drive(withSink.start(job(source(log, dead.sink), watchedSink<number>().sink)).result)
    const out = watchedSink<number>()
    const second = await without.drive(without.start(job(source(log), out.sink)).result)
    const counts = (metrics: typeof first.metrics) => metrics.operators.find(({ operator }) => operator === 'numbers')
    expect(counts(first.metrics)).toMatchObject({ recordsIn: 30, skipped: 0, deadLetters: 10 })
    expect(counts(second.metrics)).toMatchObject({ recordsIn: 30, skipped: 10, deadLetters: 0 })
    expect(out.collector.records).toEqual(numbers(30, (number) => !isBad(number)))
  })

  it('names the position of a record behind rejected ones', async () => {
    const log = mixed(6)
    const bench = new JobBench()
    const definition = defineJob('reading', (build) => {
      build
        .source('numbers', source(log, watchedSink<number>().sink))
        .map((number) => {
          if (number === 2) throw new Error('two')
          return number
        })
        .to('out', watchedSink<number>().sink)
    })
    const error = await failureOf(bench.drive(bench.start(definition, { restartStrategy: 'none' }).result))
    expect(error.context.position).toBe('record 2 pushed')
  })

  it('leaves no checkpoint and no transaction when it has finished', async () => {
    const bench = new JobBench()
    const log = mixed(20)
    log.end()
    const dead = watchedSink<number>()
    await bench.drive(bench.start(job(source(log, dead.sink), watchedSink<number>().sink)).result)
    expect(bench.files.paths(CHECKPOINTS).filter((path) => !path.endsWith('job.json'))).toEqual([])
    expect(dead.calls.filter((call) => call === 'close')).toHaveLength(1)
  })
})
