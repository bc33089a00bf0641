/**
 * Counts records by key: RECORDS numbers whose key is one of KEYS. The sink does nothing with the counts.
 *
 *     npx tidemark run benchmarks/jobs/keyed-count.ts --parallelism 2 --checkpoint-interval 1s -- --records 20000000 --keys 1000
 */
import { parseArgs } from 'node:util'
import { defineJob, forEachSink, generate } from 'tidemark'
import { ended, started } from '../harness/stopwatch.ts'

export default defineJob('keyed-count', (job) => {
  const { records, keys } = parseArgs({
    options: { records: { type: 'string', default: '20000000' }, keys: { type: 'string', default: '1000' } },
  }).values
  const total = Number(keys)
  job
    .source(
      'numbers',
      generate({
        count: Number(records),
        create: (index) => {
          started()
          return (Math.imul(index, 0x9e3779b1) >>> 0) % total
        },
      }),
    )
    .keyBy((key) => key)
    .runningCount('counts')
    .to(
      'nowhere',
      forEachSink(() => ended()),
    )
})
