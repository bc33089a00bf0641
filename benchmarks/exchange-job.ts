/**
 * How fast does a whole job exchange small records with a short string key, beside a warm Flink that is given the same records? Exactly once with a checkpoint each second, two tasks, so half of the records
 * cross. (exchange.ts takes the exchange alone, without the job.)
 * npm run bench:exchange-job [-- --rounds 5 --records 20000000 --no-flink]
 */
import { compare, type Subject } from './harness/compare.ts'
import { flink, hasFlink, jobFile, numberArgument, runTidemark } from './harness/subjects.ts'

const rounds = numberArgument('rounds', 5)
const records = numberArgument('records', 20_000_000)
const withFlink = hasFlink()

for (const keys of [1000, 100_000]) {
  const size = ['--records', `${records}`, '--keys', `${keys}`]
  const tidemark: Subject = {
    name: 'tidemark p=2 on 2 workers',
    run: () =>
      runTidemark({
        job: jobFile('exchange'),
        parallelism: 2,
        workers: 2,
        checkpointInterval: '1s',
        counted: records,
        jobArguments: size,
      }),
  }
  await compare({
    title: `exchange of ${records / 1e6} M records, ${keys} string keys`,
    units: { count: records, name: 'records' },
    subjects: [
      tidemark,
      ...(withFlink ? [flink('warm Flink p=2', 2, records, '--workload', 'exchange', ...size)] : []),
    ],
    rounds,
  })
}
