/**
 * How much CPU do checkpoints add to each record? The same keyed count with a checkpoint each second and without any.
 * npm run bench:checkpoint-cost [-- --rounds 7 --records 30000000]
 */
import { compare } from './harness/compare.ts'
import { jobFile, numberArgument, runTidemark } from './harness/subjects.ts'

const rounds = numberArgument('rounds', 7)
const records = numberArgument('records', 30_000_000)

for (const keys of [1000, 1_000_000]) {
  const run = (checkpointInterval: string) => () =>
    runTidemark({
      job: jobFile('keyed-count'),
      parallelism: 2,
      workers: 2,
      checkpointInterval,
      counted: records,
      jobArguments: ['--records', `${records}`, '--keys', `${keys}`],
    })
  await compare({
    title: `keyed count of ${records / 1e6} M records, ${keys} keys, parallelism 2 on 2 workers`,
    units: { count: records, name: 'records' },
    subjects: [
      { name: 'a checkpoint each second', run: run('1s') },
      { name: 'without checkpoints', run: run('disabled') },
    ],
    rounds,
  })
}
