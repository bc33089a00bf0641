/**
 * Counts the records of a topic by value, Kafka to Kafka, and tells its events, a line each. As on a machine of its own that shares the checkpoint directory with others: it
 * holds no lock that they could see. Stops in order when its input ends.
 */
import { kafka, text } from '@tidemark/kafka'
import { defineJob } from 'tidemark'
import { JobMaster } from '../../../packages/tidemark/src/runtime/job/job-master.ts'
import { nodeEnvironment } from '../../../packages/tidemark/src/runtime/job/run.ts'

const [name, brokers, words, counts, checkpointDir] = process.argv.slice(2) as [string, string, string, string, string]
const cluster = kafka({ brokers })
const job = defineJob(name, (build) => {
  build
    .source('words', cluster.topic(words, { value: text() }))
    .keyBy((word) => word)
    .runningCount('counts')
    .to('out', cluster.sink<readonly [string, number]>(counts, { key: ([word]) => word, value: ([, count]) => count }))
})
const master = new JobMaster(
  job,
  {
    checkpointDir,
    checkpointInterval: '500ms',
    parallelism: 2,
    restartStrategy: { kind: 'fixed-delay', delay: '10ms' },
  },
  { ...nodeEnvironment(), lock: async () => ({ release: () => {} }) },
)
const tell = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`)
master.on(tell)
process.stdin.resume().once('end', () => void master.stop())
master.result.then(
  () => process.exit(0),
  (error: unknown) => {
    tell({ kind: 'ended', code: (error as { code?: string }).code })
    process.exit(1)
  },
)
