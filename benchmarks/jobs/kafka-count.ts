/**
 * Counts the records of a topic by their key (the value is left alone), to its end as of now (`--unbounded`: for ever), and writes each count to another topic, exactly once.
 *
 *     npx tidemark run benchmarks/jobs/kafka-count.ts --parallelism 2 --checkpoint-interval 1s -- --brokers localhost:9092 --input input --output output
 */
import { parseArgs } from 'node:util'
import { ignored, kafka, text } from '@tidemark/kafka'
import { defineJob } from 'tidemark'
import { ended, started } from '../harness/stopwatch.ts'

export default defineJob('kafka-count', (job) => {
  const { brokers, input, output, unbounded } = parseArgs({
    options: {
      brokers: { type: 'string', default: '' },
      input: { type: 'string', default: 'input' },
      output: { type: 'string', default: 'output' },
      unbounded: { type: 'boolean', default: false },
    },
  }).values
  const cluster = kafka({ brokers })
  job
    .source(
      'input',
      cluster.records(input, { key: text(), value: ignored(), ...(unbounded ? {} : { stop: 'latest' }) }),
    )
    .map(({ key }) => {
      started()
      return key
    })
    .keyBy((key) => key)
    .runningCount('counts')
    .map((count) => {
      ended()
      return count
    })
    .to('output', cluster.sink(output, { key: ([key]) => key, value: ([, count]) => String(count) }))
})
