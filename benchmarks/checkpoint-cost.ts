/**
 * How much CPU do checkpoints add to each record? The same keyed count with a checkpoint each second and without any.
 * npm run bench:checkpoint-cost [-- --rounds 7 --records 30000000 --interval-ms 1000]
 */
import { compare } from './harness/compare.ts'
import { spread } from './harness/statistics.ts'
import { jobFile, numberArgument, runTidemark } from './harness/subjects.ts'

const rounds = numberArgument('rounds', 7)
const records = numberArgument('records', 30_000_000)
/** Shorter ones show more exactly what one checkpoint costs, whatever else the machine does. */
const intervalMs = numberArgument('interval-ms', 1000)

for (const keys of [1000, 1_000_000]) {
  const runs: Awaited<ReturnType<typeof runTidemark>>[] = []
  const run = (checkpointInterval: string) => async () => {
    const result = await runTidemark({
      job: jobFile('keyed-count'),
      parallelism: 2,
      workers: 2,
      checkpointInterval,
      counted: records,
      jobArguments: ['--records', `${records}`, '--keys', `${keys}`],
    })
    runs.push(result)
    return result
  }
  await compare({
    title: `keyed count of ${records / 1e6} M records, ${keys} keys, parallelism 2 on 2 workers`,
    units: { count: records, name: 'records' },
    subjects: [
      { name: `a checkpoint each ${intervalMs} ms`, run: run(`${intervalMs}ms`) },
      { name: 'without checkpoints', run: run('disabled') },
    ],
    rounds,
  })
  const costs = Array.from({ length: rounds }, (_, round) => {
    const [checkpointed, plain] = [runs[2 * round]!, runs[2 * round + 1]!]
    return ((checkpointed.cpuSeconds - plain.cpuSeconds) * 1000) / checkpointed.checkpoints
  })
  console.log(`  a checkpoint costs ${spread(costs, 0)} ms of CPU`)
}
