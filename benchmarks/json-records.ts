/**
 * How fast are lines of JSON with 30 fields parsed and counted by one of them, when the whole object goes to the task of its key?
 * npm run bench:json-records [-- --rounds 5 --records 1000000]
 */
import { compare } from './harness/compare.ts'
import { jobFile, numberArgument, runTidemark } from './harness/subjects.ts'

const records = numberArgument('records', 1_000_000)
const tidemark = (parallelism: number) => () =>
  runTidemark({
    job: jobFile('json-records'),
    parallelism,
    workers: parallelism,
    checkpointInterval: '1s',
    counted: records,
    jobArguments: ['--records', `${records}`, '--keys', '1000'],
  })

await compare({
  title: `${records / 1e6} M JSON records of 30 fields, 1000 keys`,
  units: { count: records, name: 'records' },
  subjects: [
    { name: 'tidemark p=2 on 2 workers', run: tidemark(2) },
    { name: 'tidemark p=1 on a worker', run: tidemark(1) },
  ],
  rounds: numberArgument('rounds', 5),
})
