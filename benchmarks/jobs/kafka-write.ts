/**
 * Writes RECORDS records with values of 100 bytes to a topic.
 *
 *     npx tidemark run benchmarks/jobs/kafka-write.ts --parallelism 1 --checkpoint-interval 1s -- --brokers localhost:9092 --topic output --delivery exactly-once
 */
import { parseArgs } from 'node:util'
import { bytes, kafka } from '@tidemark/kafka'
import { defineJob, generate } from 'tidemark'
import { ended, started } from '../harness/stopwatch.ts'

const VALUE = Buffer.alloc(100, 'x')

export default defineJob('kafka-write', (job) => {
  const { brokers, topic, records, delivery } = parseArgs({
    options: {
      brokers: { type: 'string', default: '' },
      topic: { type: 'string', default: 'output' },
      records: { type: 'string', default: '2000000' },
      delivery: { type: 'string', default: 'exactly-once' },
    },
  }).values
  const sink = kafka({ brokers }).sink<Buffer, 'exactly-once' | 'at-least-once'>(topic, {
    delivery: delivery as 'exactly-once' | 'at-least-once',
    value: bytes(),
  })
  job
    .source(
      'numbers',
      generate({
        count: Number(records),
        create: () => {
          started()
          ended()
          return VALUE
        },
      }),
    )
    .to('counts', sink)
})
