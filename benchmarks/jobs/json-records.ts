/** Parses lines of JSON with 30 fields and counts the objects by one of them; the whole object goes to the task of its key. Arguments: `-- --records N --keys K`. */
import { parseArgs } from 'node:util'
import { defineJob, forEachSink, generate } from 'tidemark'
import { type Order, orderLine } from './order-line.ts'

export default defineJob('json-records', (job) => {
  const { records, keys } = parseArgs({
    options: { records: { type: 'string', default: '1000000' }, keys: { type: 'string', default: '1000' } },
  }).values
  const total = Number(keys)
  job
    .source('lines', generate({ count: Number(records), create: (index) => orderLine(index, total) }))
    .map((line) => JSON.parse(line) as Order)
    .keyBy((order) => order.customer)
    .runningCount('counts')
    .to(
      'nowhere',
      forEachSink(() => {}),
    )
})
