/**
 * Sums small records by a short string key: RECORDS of { key: 'key-123', value: 45 } with KEYS different keys. The sink does nothing with the sums.
 *
 *     npx tidemark run benchmarks/jobs/exchange.ts --parallelism 2 --checkpoint-interval 1s -- --records 20000000 --keys 1000
 */
import { parseArgs } from 'node:util'
import { defineJob, forEachSink, generate } from 'tidemark'
import { ended, started } from '../harness/stopwatch.ts'

export default defineJob('exchange', (job) => {
  const { records, keys } = parseArgs({
    options: { records: { type: 'string', default: '20000000' }, keys: { type: 'string', default: '1000' } },
  }).values
  const names = Array.from({ length: Number(keys) }, (_, index) => `key-${index}`)
  job
    .source(
      'readings',
      generate({
        count: Number(records),
        create: (index) => {
          started()
          const random = Math.imul(index, 0x9e3779b1) >>> 0
          return { key: names[random % names.length]!, value: random & 0xff }
        },
      }),
    )
    .keyBy('key')
    .scan(
      'counts',
      () => 0,
      (sum, { value }) => sum + value,
    )
    .to(
      'nowhere',
      forEachSink(() => ended()),
    )
})
