/**
 * How fast are numbers counted by key, exactly once with a checkpoint each second, beside a loop written by hand and beside a warm Flink?
 * npm run bench:keyed-count [-- --rounds 5 --records 20000000 --no-flink]
 */
import { compare, type Subject } from './harness/compare.ts'
import { flink, handWritten, hasFlink, jobFile, numberArgument, runTidemark } from './harness/subjects.ts'

const rounds = numberArgument('rounds', 5)
const records = numberArgument('records', 20_000_000)
const withFlink = hasFlink()

for (const keys of [1000, 1_000_000]) {
  const size = ['--records', `${records}`, '--keys', `${keys}`]
  const tidemark = (parallelism: number, workers: number): Subject => ({
    name: `tidemark p=${parallelism} on ${workers === 1 ? 'a worker' : `${workers} workers`}`,
    run: () =>
      runTidemark({
        job: jobFile('keyed-count'),
        parallelism,
        workers,
        checkpointInterval: '1s',
        counted: records,
        jobArguments: size,
      }),
  })
  await compare({
    title: `keyed count of ${records / 1e6} M records, ${keys} keys`,
    units: { count: records, name: 'records' },
    subjects: [
      tidemark(2, 2),
      tidemark(1, 1),
      handWritten('a Map', 'keyed-count.mjs', ...size),
      ...(withFlink ? [flink('warm Flink p=2', 2, records, '--workload', 'keyed-count', ...size)] : []),
    ],
    rounds,
  })
}
