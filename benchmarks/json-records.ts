/**
 * How fast are lines of JSON with 30 fields (nested objects, lists, null or a value) parsed and counted by one of them, when the whole object goes to the task of its key, beside a loop that only
 * parses and counts? npm run bench:json-records [-- --rounds 5 --records 300000]
 */
import { compare } from './harness/compare.ts'
import { ordersFile } from './harness/orders-file.ts'
import { handWritten, jobFile, numberArgument, runTidemark } from './harness/subjects.ts'

const records = numberArgument('records', 300_000)
const input = ['--input', await ordersFile(records)]
const tidemark = (parallelism: number) => () =>
  runTidemark({
    job: jobFile('json-records'),
    parallelism,
    workers: parallelism,
    checkpointInterval: '1s',
    counted: records,
    jobArguments: input,
  })

await compare({
  title: `${records / 1e6} M JSON records of 30 fields, 1000 keys`,
  units: { count: records, name: 'records' },
  subjects: [
    { name: 'tidemark p=2 on 2 workers', run: tidemark(2) },
    { name: 'tidemark p=1 on a worker', run: tidemark(1) },
    handWritten('chunks, JSON.parse and a Map', 'json-records.mjs', ...input),
  ],
  rounds: numberArgument('rounds', 5),
})
