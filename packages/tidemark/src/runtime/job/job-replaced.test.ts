import { describe, expect, it } from 'vitest'
import { defineJob } from '../../api/define-job.ts'
import { CHECKPOINTS, failureOf, JobBench } from '../../testing/job-bench/job-bench.ts'
import { watchedSink } from '../../testing/job-bench/watched-sink.ts'
import { SeededRandom } from '../../testing/simulator/seeded-random.ts'
import { PushLog, pushSource } from '../../testing/test-job/push-source.ts'
import { JobMaster } from './job-master.ts'

describe('a job that was started again elsewhere while its process still lives', () => {
  // Two machines that share a directory do not see each other's locks; neither does a container that was paused and one that took its place.
  it('ends as fenced when its attempt fails: what is open and lies around is no longer its own', async () => {
    const bench = new JobBench()
    // Of both: what one process has prepared the other one commits.
    const { sink } = watchedSink<number>()
    const aborts = { first: 0, second: 0 }
    let isBroken = false
    const jobOf = (name: keyof typeof aborts, log: PushLog) => {
      const createCommitter = sink.createCommitter!.bind(sink)
      const watched = {
        ...sink,
        createCommitter: (context: Parameters<typeof createCommitter>[0]) => {
          const committer = createCommitter(context)
          const abortOthers = committer.abortOthers.bind(committer)
          committer.abortOthers = () => {
            aborts[name]++
            return abortOthers()
          }
          return committer
        },
      }
      return defineJob('replaced', (job) => {
        job
          .source('numbers', pushSource<number>(log))
          .map((number) => {
            if (name === 'first' && isBroken) throw new Error('the broker has fenced its producer')
            return number
          })
          .to('out', watched)
      })
    }
    const log = new PushLog('numbers')
    log.push([1, 2, 3])
    const first = bench.start(jobOf('first', log), { restartStrategy: { kind: 'fixed-delay', delay: 0 } })
    await bench.next('checkpoint-completed')
    const other = new PushLog('numbers')
    other.push([1, 2, 3])
    const second = new JobMaster(
      jobOf('second', other),
      { checkpointDir: CHECKPOINTS, checkpointInterval: 10 },
      {
        clock: bench.clock,
        random: new SeededRandom(2),
        files: bench.files.attach(),
        lock: async () => ({ release: () => {} }),
        messagesPerTurn: 1,
      },
    )
    let isRunning = false
    second.on(({ kind }) => (isRunning ||= kind === 'started'))
    await bench.until(() => isRunning)
    isBroken = true
    log.push([4])
    expect(await failureOf(bench.drive(first.result))).toMatchObject({ code: 'FENCED' })
    expect(aborts).toEqual({ first: 1, second: 1 })
    expect(second.status).toBe('running')
    await bench.drive(second.cancel())
  })
})
