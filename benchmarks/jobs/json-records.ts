/** Reads lines of JSON and counts the objects by one of their fields; the whole object goes to the task of its key. Arguments: `-- --input FILE`. */
import { parseArgs } from 'node:util'
import { defineJob, forEachSink, readJsonLines } from 'tidemark'

interface Order {
  readonly customer: string
}

export default defineJob('json-records', (job) => {
  const { input = '' } = parseArgs({ options: { input: { type: 'string' } } }).values
  job
    .source('orders', readJsonLines<Order>(input))
    .keyBy((order) => order.customer)
    .runningCount('counts')
    .to(
      'nowhere',
      forEachSink(() => {}),
    )
})
