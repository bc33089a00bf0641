import nodeAssert from 'node:assert/strict'
import { describe, expect, it } from 'vitest'
import { defineJob } from '../../api/define-job.ts'
import { output } from '../../api/output.ts'
import { resource, secret } from '../../api/resource.ts'
import { value } from '../../api/state.ts'
import { assert } from '../../core/errors.ts'
import type { DeadLetter } from '../../core/job.ts'
import type { RestartStrategy } from '../../core/options.ts'
import { SINK, type Sink } from '../../core/sink.ts'
import { CHECKPOINTS, failureOf, hostsAt, JobBench } from '../../testing/job-bench/job-bench.ts'
import { watchedSink } from '../../testing/job-bench/watched-sink.ts'
import { PushLog, pushSource } from '../../testing/test-job/push-source.ts'

function pushed(...records: readonly number[]): PushLog {
  const log = new PushLog('numbers')
  log.push(records)
  return log
}

/** Passes numbers on; what `check` throws fails the job. */
const checking = (log: PushLog, sink: Sink<number>, check: (value: number) => void) =>
  defineJob('checking', (job) => {
    job
      .source('numbers', pushSource<number>(log))
      .map((number) => {
        check(number)
        return number
      })
      .to('out', sink)
  })

const always = () => {
  throw new Error('no')
}

describe('a job whose function throws', () => {
  it('names job, operator, source position, value and cause', async () => {
    const bench = new JobBench()
    const { sink } = watchedSink<number>()
    const master = bench.start(
      checking(pushed(1, 2, 13), sink, (number) => {
        if (number === 13) throw new RangeError('thirteen')
      }),
      { restartStrategy: 'none' },
    )
    const error = await failureOf(bench.drive(master.result))
    expect(error).toMatchObject({
      code: 'USER_FUNCTION',
      message: 'operator map-1 failed on a record at record 2 pushed: thirteen',
      action: expect.stringContaining('onError') as string,
      context: { job: 'checking', operator: 'map-1', task: 'map-1#0', position: 'record 2 pushed', value: '13' },
      cause: { name: 'RangeError', message: 'thirteen' },
    })
    expect(error.cause).toHaveProperty('stack', expect.stringContaining('job-failures.test.ts'))
    expect(master.status).toBe('failed')
  })

  it('keeps its newest checkpoint, from which the mended job goes on', async () => {
    const bench = new JobBench()
    const log = pushed(1, 2)
    const { sink, collector } = watchedSink<number>()
    const master = bench.start(
      checking(log, sink, (number) => {
        if (number === 13) throw new Error('thirteen')
      }),
      { restartStrategy: 'none' },
    )
    const { checkpoint } = await bench.next('checkpoint-committed')
    log.push([13, 3])
    await failureOf(bench.drive(master.result))
    log.end()
    await bench.drive(bench.start(checking(log, sink, () => {})).result)
    expect(bench.all('started').at(-1)!.from).toMatchObject({ kind: 'restored' })
    expect(bench.all('started').at(-1)!.from).toHaveProperty(
      'checkpoint',
      expect.toSatisfy((restored: number) => restored >= checkpoint),
    )
    expect(collector.records).toEqual([1, 2, 13, 3])
  })
})

const delays = async (restartStrategy: RestartStrategy) => {
  const bench = new JobBench()
  const { sink } = watchedSink<number>()
  const master = bench.start(checking(pushed(1), sink, always), { restartStrategy })
  const error = await failureOf(bench.drive(master.result))
  return { error, delays: bench.all('attempt-failed').map(({ restartInMs: ms }) => ms && Math.round(ms)), bench }
}

describe('restart strategies', () => {
  it('none: the first failure is the last', async () => {
    const { error, delays: waited } = await delays({ kind: 'none' })
    expect(error.code).toBe('USER_FUNCTION')
    expect(waited).toEqual([null])
  })

  it('fixed delay: restarts as often as allowed', async () => {
    const { error, delays: waited, bench } = await delays({ kind: 'fixed-delay', attempts: 2, delay: '3s' })
    expect(error).toMatchObject({ code: 'RESTARTS_EXHAUSTED', cause: { code: 'USER_FUNCTION' } })
    expect(error.context).toMatchObject({ operator: 'map-1', position: 'record 0 pushed' })
    expect(waited).toEqual([3000, 3000, null])
    expect(bench.all('started').map(({ attempt }) => attempt)).toEqual([1, 2, 3])
    expect(bench.clock.monotonic()).toBeGreaterThan(6000)
  })

  it('failure rate: gives up when failures come too fast', async () => {
    const strategy: RestartStrategy = {
      kind: 'failure-rate',
      maxFailuresPerInterval: 2,
      failureRateInterval: '1m',
      delay: '1s',
    }
    const { error, delays: waited } = await delays(strategy)
    expect(error.code).toBe('RESTARTS_EXHAUSTED')
    expect(waited).toEqual([1000, 1000, null])
  })

  it('exponential delay: waits longer each time', async () => {
    const strategy: RestartStrategy = {
      kind: 'exponential-delay',
      initialBackoff: '1s',
      backoffMultiplier: 2,
      maxBackoff: '5s',
      jitterFactor: 0,
      attemptsBeforeResetBackoff: 4,
    }
    const { error, delays: waited } = await delays(strategy)
    expect(error.code).toBe('RESTARTS_EXHAUSTED')
    expect(waited).toEqual([1000, 2000, 4000, 5000, null])
  })

  it('names a position that failed three attempts as the likely poison', async () => {
    const { bench } = await delays({ kind: 'fixed-delay', attempts: 3, delay: 1 })
    const messages = bench.all('attempt-failed').map(({ error }) => error.message)
    expect(messages.map((message) => message.includes('likely poison'))).toEqual([false, false, true, true])
  })

  it.each([
    ['are asked when an assertion of the user fails', (message: string) => nodeAssert.fail(message), 2],
    ['are not asked when one of ours fails: it would again', (message: string) => assert(false, message), 0],
  ] as const)('%s', async (_, fail, restarts) => {
    const bench = new JobBench()
    const { sink } = watchedSink<number>()
    const master = bench.start(
      checking(pushed(1), sink, () => fail('on purpose')),
      { restartStrategy: { kind: 'fixed-delay', attempts: 2, delay: 1 } },
    )
    await expect(bench.drive(master.result)).rejects.toThrow(/on purpose/)
    expect(bench.all('attempt-failed').filter(({ restartInMs }) => restartInMs !== null)).toHaveLength(restarts)
  })

  it('restarts from the newest checkpoint, with nothing lost and nothing doubled', async () => {
    const bench = new JobBench()
    const log = pushed(...Array.from({ length: 20 }, (_, index) => index))
    const { sink, collector } = watchedSink<number>()
    let failures = 0
    const master = bench.start(
      checking(log, sink, (number) => {
        if (number === 25 && failures++ < 2) throw new Error('not yet')
      }),
      { restartStrategy: { kind: 'fixed-delay', attempts: 5, delay: 1 } },
    )
    const { checkpoint } = await bench.next('checkpoint-committed')
    log.push(Array.from({ length: 20 }, (_, index) => 20 + index))
    log.end()
    const { metrics } = await bench.drive(master.result)
    expect(collector.records).toEqual(Array.from({ length: 40 }, (_, index) => index))
    expect(metrics.restarts).toBe(2)
    for (const { from } of bench.all('started').slice(1)) {
      expect(from.kind === 'restored' && from.checkpoint >= checkpoint).toBe(true)
    }
  })

  it.each([
    ['SECRET_MISSING', (context: { secret(name: string): string }) => context.secret('NOT_SET')],
    ['USER_FUNCTION', null],
  ] as const)('are not asked where a restart cannot help (%s: %o)', async (code, open) => {
    const bench = new JobBench()
    const client = resource('client', { open: (context) => open?.(context) ?? '' })
    const job = defineJob('asking', (builder) => {
      builder.source('numbers', pushSource<number>(pushed(1))).process('ask', {
        using: { client },
        onRecord: always,
      })
    })
    const master = bench.start(job, { secrets: {}, restartStrategy: { kind: 'fixed-delay', attempts: 1, delay: 1 } })
    const error = await failureOf(bench.drive(master.result))
    expect(bench.all('started')).toHaveLength(code === 'SECRET_MISSING' ? 1 : 2)
    expect(error.code).toBe(code === 'SECRET_MISSING' ? code : 'RESTARTS_EXHAUSTED')
    if (code === 'SECRET_MISSING') expect(error).toMatchObject({ action: expect.stringContaining('NOT_SET') as string })
  })
})

describe('policies for records that cannot be processed', () => {
  it('skip leaves out the record with everything its processing emitted, and counts it', async () => {
    const bench = new JobBench()
    const log = pushed(1, 13, 2)
    log.end()
    const { sink, collector } = watchedSink<string>()
    const job = defineJob('skipping', (builder) => {
      const { texts } = builder.source('numbers', pushSource<number>(log)).process('texts', {
        outputs: { texts: output<string>() },
        onError: 'skip',
        onRecord(number, { emit }) {
          emit.texts(`${number} first`)
          if (number === 13) throw new Error('thirteen')
          emit.texts(`${number} last`)
        },
      })
      texts.to('out', sink)
    })
    const { metrics } = await bench.drive(bench.start(job).result)
    expect(collector.records).toEqual(['1 first', '1 last', '2 first', '2 last'])
    expect(metrics.operators.find(({ operator }) => operator === 'texts')).toMatchObject({ skipped: 1, recordsIn: 3 })
  })

  it('dead letters come exactly once, with a crash in between', async () => {
    const bench = new JobBench()
    const log = pushed(1, 13)
    const { sink, collector } = watchedSink<number>()
    const dead = watchedSink<DeadLetter<number>>()
    const job = defineJob('burying', (builder) => {
      builder
        .source('numbers', pushSource<number>(log))
        .map(
          (number) => {
            if (number % 13 === 0) throw new Error(`${number} is bad`)
            return number
          },
          { onError: { deadLetters: dead.sink, name: 'dead' } },
        )
        .to('out', sink)
    })
    bench.start(job)
    await bench.next('checkpoint-committed')
    log.push([26, 2])
    await bench.next('checkpoint-triggered')
    bench.kill()
    log.end()
    await bench.drive(bench.start(job).result)
    expect(bench.all('started').at(-1)!.from.kind).toBe('restored')
    expect(collector.records).toEqual([1, 2])
    expect(dead.collector.records).toEqual([
      { operator: 'map-1', position: 'record 1 pushed', value: 13, error: 'Error: 13 is bad' },
      { operator: 'map-1', position: 'record 2 pushed', value: 26, error: 'Error: 26 is bad' },
    ])
  })
})

const misusing = async (onRecord: (number: number, context: { emit: { out(number: number): void } }) => void) => {
  const bench = new JobBench()
  const { sink } = watchedSink<number>()
  const job = defineJob('misusing', (builder) => {
    const { out } = builder.source('numbers', pushSource<number>(pushed(1, 2))).process('misuse', {
      outputs: { out: output<number>() },
      onError: 'skip',
      onRecord: (number, context): void => onRecord(number, context),
    })
    out.to('out', sink)
  })
  return failureOf(bench.drive(bench.start(job, { restartStrategy: 'none' }).result))
}

describe('misuse of the engine', () => {
  it('an output that is used after its callback is stale, whatever the policy', async () => {
    const bench = new JobBench()
    const { sink } = watchedSink<number>()
    const kept: { emit?: (number: number) => void } = {}
    const job = defineJob('late', (builder) => {
      const { out } = builder.source('numbers', pushSource<number>(pushed(1))).process('early', {
        outputs: { out: output<number>() },
        onRecord(number, { emit }) {
          emit.out(number)
          kept.emit = emit.out
        },
      })
      // Runs when the callback has returned.
      out.filter((number) => (kept.emit!(number), true), { name: 'after', onError: 'skip' }).to('out', sink)
    })
    const error = await failureOf(bench.drive(bench.start(job).result))
    expect(error).toMatchObject({
      code: 'STALE_OUTPUT',
      message: expect.stringContaining('emit.out of early') as string,
    })
    expect(bench.all('started')).toHaveLength(1)
  })

  it('a callback that emits without end is stopped', async () => {
    const error = await misusing((_, { emit }) => {
      for (let index = 0; index < 200_000; index++) emit.out(index)
    })
    expect(error).toMatchObject({
      code: 'TOO_MANY_OUTPUTS',
      context: { operator: 'misuse', position: 'record 0 pushed' },
    })
  })

  it.each(['fail', 'skip'] as const)('a promise that map returns ends the job (onError %s)', async (onError) => {
    const bench = new JobBench()
    const { sink } = watchedSink<number>()
    const job = defineJob('waiting', (builder) => {
      builder
        .source('numbers', pushSource<number>(pushed(1)))
        .map((number) => Promise.resolve(number) as unknown as number, { onError })
        .to('out', sink)
    })
    const error = await failureOf(bench.drive(bench.start(job).result))
    expect(error).toMatchObject({ code: 'INVALID_JOB', context: { operator: 'map-1', position: 'record 0 pushed' } })
    expect(error.message).toMatch(/map-1 returned a promise/)
    expect(error.action).toMatch(/^Return the value itself\./)
    expect(bench.all('started')).toHaveLength(1)
  })
})

const using = (log: PushLog, per: 'worker' | 'task', events: string[], sink: Sink<string>) => {
  let opened = 0
  const client = resource('client', {
    per,
    open: async (context) => {
      const id = ++opened
      events.push(`open ${id}`)
      context.signal.addEventListener('abort', () => events.push(`abort ${id}`))
      await Promise.resolve()
      return { id, password: context.secret('PASSWORD') }
    },
    close: async ({ id }) => {
      await Promise.resolve()
      events.push(`close ${id}`)
    },
  })
  return defineJob('using', (builder) => {
    const { out } = builder
      .source('numbers', pushSource<number>(log))
      .rebalance()
      .process('use', {
        using: { client },
        outputs: { out: output<string>() },
        onRecord(number, { use, emit }) {
          if (number === 13 && opened <= 2) throw new Error('thirteen')
          emit.out(`${use.client.id}`)
        },
      })
    out.to('out', sink)
  })
}

describe('resources', () => {
  it.each([
    ['worker', hostsAt(2)],
    ['task', 2],
  ] as const)(
    'are opened once per %s and closed once, also after failures, before the next attempt',
    async (per, count) => {
      const bench = new JobBench()
      const log = pushed(1, 13, 2)
      log.end()
      const events: string[] = []
      const { sink } = watchedSink<string>()
      const options = {
        parallelism: 2,
        secrets: { PASSWORD: 'x' },
        restartStrategy: { kind: 'fixed-delay', attempts: 3, delay: 1 },
      } as const
      await bench.drive(bench.start(using(log, per, events, sink), options).result)
      const attempts = bench.all('started').length
      expect(attempts).toBeGreaterThan(1)
      const ids = Array.from({ length: count * attempts }, (_, index) => index + 1)
      expect(events.filter((event) => event.startsWith('open'))).toEqual(ids.map((id) => `open ${id}`))
      for (const kind of ['close', 'abort']) {
        expect(events.filter((event) => event.startsWith(kind)).toSorted()).toEqual(
          ids.map((id) => `${kind} ${id}`).toSorted(),
        )
      }
      // Everything of an attempt is closed before the next one opens anything.
      expect(events.lastIndexOf(`close ${count}`)).toBeLessThan(events.indexOf(`open ${count + 1}`))
    },
  )

  it('and sources are closed when something else does not open', async () => {
    const bench = new JobBench()
    const closed: string[] = []
    const failing: Sink<number, 'at-least-once'> = {
      [SINK]: {},
      kind: 'failing',
      delivery: 'at-least-once',
      createWriter: () => ({
        open: () => Promise.reject(new Error('no such host')),
        write: (_values, _from, to) => to,
        prepareCommit: async () => [],
        close: () => void closed.push('writer'),
      }),
    }
    const source = pushSource<number>(pushed(1))
    const watched: typeof source = {
      ...source,
      createReader(context) {
        const reader = source.createReader(context)
        return Object.assign(reader, { close: () => void closed.push('reader') })
      },
    }
    const job = defineJob('unopened', (builder) => builder.source('numbers', watched).to('out', failing))
    const error = await failureOf(bench.drive(bench.start(job, { restartStrategy: 'none' }).result))
    expect(error).toMatchObject({
      message: expect.stringContaining('no such host') as string,
      context: { job: 'unopened' },
    })
    expect(closed.toSorted()).toEqual(['reader', 'writer'])
  })

  it('leave no trace of secrets in events, plans, checkpoints and errors', async () => {
    const bench = new JobBench()
    const log = pushed(1)
    const password = 'correct horse battery staple'
    const events: string[] = []
    const { sink } = watchedSink<string>()
    expect(JSON.stringify(secret('PASSWORD'))).not.toContain(password)
    const job = using(log, 'worker', events, sink)
    const options = { secrets: (name: string) => (name === 'PASSWORD' ? password : undefined), parallelism: 2 }
    const master = bench.start(job, options)
    await bench.next('checkpoint-committed')
    log.push([13])
    await bench.next('attempt-failed')
    await bench.drive(master.stop())
    const files = bench.files.paths(CHECKPOINTS).map((path) => bench.files.text(path) ?? '')
    expect(files.length).toBeGreaterThan(1)
    const told = [JSON.stringify(bench.events), JSON.stringify(job.build(undefined).plan), ...files].join('\n')
    expect(told).toContain('checkpoint-completed')
    expect(told).not.toContain(password)
    expect(told).not.toContain(Buffer.from(password).toString('base64'))
  })
})

describe('state after a failure', () => {
  it('is that of the restored checkpoint, not what the failed attempt had made of it', async () => {
    const bench = new JobBench()
    const log = pushed(1, 1, 1)
    const { sink, collector } = watchedSink<number>()
    let failures = 0
    const job = defineJob('summing', (builder) => {
      const { sums } = builder
        .source('numbers', pushSource<number>(log))
        .keyBy(() => 'all')
        .process('sum', {
          state: { sum: value(0) },
          outputs: { sums: output<number>() },
          onRecord(number, { state, emit }) {
            const sum = state.sum.update((old) => old + number)
            if (number === 5 && failures++ < 3) throw new Error('after the change')
            emit.sums(sum)
          },
        })
      sums.to('out', sink)
    })
    const master = bench.start(job, { restartStrategy: { kind: 'fixed-delay', attempts: 5, delay: 1 } })
    await bench.next('checkpoint-committed')
    log.push([5, 1])
    log.end()
    await bench.drive(master.result)
    expect(collector.records).toEqual([1, 2, 3, 8, 9])
    expect(failures).toBe(4)
  })
})
