/** A program that runs its own job in workers, exports nothing, and waits for the end. */
import { defineJob, jsonLines, run } from 'tidemark'
import { stripedNumbers } from './kit.ts'

const folder = process.argv[2]!

const job = defineJob('self-running', (builder) => {
  builder
    .source('numbers', stripedNumbers(100, 100))
    .keyBy((number) => number % 10)
    .runningCount('counts')
    .to('out', jsonLines(`${folder}/counts`))
})

const { status } = await run(job, {
  module: import.meta.url,
  parallelism: 2,
  workers: 2,
  checkpointDir: `${folder}/checkpoints`,
}).result
console.log(status)
