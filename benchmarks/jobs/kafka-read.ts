/**
 * Reads a topic to its end as of now and does nothing with the records.
 *
 *     npx tidemark run benchmarks/jobs/kafka-read.ts --parallelism 1 --checkpoint-interval 1s -- --brokers localhost:9092 --topic input
 */
import { parseArgs } from 'node:util'
import { bytes, kafka } from '@tidemark/kafka'
import { defineJob, forEachSink } from 'tidemark'
import { ended, started } from '../harness/stopwatch.ts'

export default defineJob('kafka-read', (job) => {
  const { brokers, topic } = parseArgs({
    options: { brokers: { type: 'string', default: '' }, topic: { type: 'string', default: 'input' } },
  }).values
  job.source('input', kafka({ brokers }).topic(topic, { value: bytes(), stop: 'latest' })).to(
    'counts',
    forEachSink(() => {
      started()
      ended()
    }),
  )
})
