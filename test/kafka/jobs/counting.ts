/**
 * Counts the records of a topic by value, Kafka to Kafka, until OFFSETS records of each of PARTITIONS partitions are read. Kills its process with SIGKILL where the
 * environment says, in whatever thread that happens.
 */
import { parseArgs } from 'node:util'
import { kafka, text } from '@tidemark/kafka'
import { defineJob } from 'tidemark'
import {
  type Committer,
  type CommitterContext,
  type Sink,
  type SinkWriter,
  type WriterContext,
} from 'tidemark/connector'
import { KILL_VARIABLE, type KillStep } from './kill-step.ts'

const [killStep, killTime] = (process.env[KILL_VARIABLE] ?? ':0').split(':') as [KillStep | '', string]
const times = new Map<string, number>()

function reach(step: KillStep): void {
  if (step !== killStep) return
  const time = (times.get(step) ?? 0) + 1
  times.set(step, time)
  if (time < Number(killTime)) return
  process.kill(process.pid, 'SIGKILL')
  // The signal is on its way; nothing may happen meanwhile.
  for (;;);
}

function deadly<T>(sink: Sink<T>): Sink<T> {
  return {
    ...sink,
    createWriter: (context: WriterContext) => deadlyWriter(sink.createWriter(context)),
    createCommitter: (context: CommitterContext) => deadlyCommitter(sink.createCommitter!(context)),
  }
}

function deadlyWriter<T>(writer: SinkWriter<T>): SinkWriter<T> {
  const prepareCommit = writer.prepareCommit.bind(writer)
  writer.prepareCommit = async (checkpoint) => {
    const committables = await prepareCommit(checkpoint)
    if (committables.length > 0) reach('pre-committed')
    return committables
  }
  return writer
}

function deadlyCommitter(committer: Committer): Committer {
  const commit = committer.commit.bind(committer)
  const abortOthers = committer.abortOthers.bind(committer)
  committer.commit = async (committables) => {
    reach('before-commit')
    if (committables.length < 2) return commit(committables)
    const first = await commit(committables.slice(0, 1))
    reach('half-committed')
    const rest = await commit(committables.slice(1))
    reach('committed')
    return [...first, ...rest]
  }
  committer.abortOthers = async () => {
    reach('aborting')
    await abortOthers()
  }
  return committer
}

export default defineJob('counting', (job) => {
  const { brokers, partitions, offsets } = parseArgs({
    options: {
      brokers: { type: 'string', default: '' },
      partitions: { type: 'string', default: '4' },
      offsets: { type: 'string', default: '50000' },
    },
  }).values
  const cluster = kafka({ brokers })
  const stop = Array.from({ length: Number(partitions) }, (_, partition) => ({
    topic: 'words',
    partition,
    offset: Number(offsets),
  }))
  job
    .source('words', cluster.topic('words', { value: text(), stop: { offsets: stop } }))
    .keyBy((word) => word)
    .runningCount('counts')
    .to(
      'out',
      deadly(cluster.sink<readonly [string, number]>('counts', { key: ([word]) => word, value: ([, count]) => count })),
    )
})
