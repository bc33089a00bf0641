/**
 * Does a job at full speed leave its threads able to answer? How late a timer of 10 ms is in the main thread and in the workers during a keyed count with checkpoints,
 * beside a process whose workers spin in slices of 10 ms.
 * npm run bench:responsiveness [-- --rounds 3 --records 60000000]
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { measure } from './harness/measure.ts'
import { quantile } from './harness/statistics.ts'
import { ROOT } from './harness/root.ts'
import { jobFile, numberArgument, runTidemark } from './harness/subjects.ts'

const rounds = numberArgument('rounds', 3)
const records = numberArgument('records', 60_000_000)
const control = join(ROOT, 'node_modules/.cache/bench/spinning-workers.mjs')

const subjects = [1000, 1_000_000].map((keys) => ({
  name: `keyed count, ${keys} keys`,
  run: (env: Readonly<Record<string, string>>): Promise<unknown> =>
    runTidemark({
      job: jobFile('watched-keyed-count'),
      parallelism: 2,
      workers: 2,
      checkpointInterval: '1s',
      counted: records,
      jobArguments: ['--records', `${records}`, '--keys', `${keys}`],
      env,
    }),
}))
subjects.push({
  name: 'control: two workers that spin',
  run: (env) => measure({ argv: [process.execPath, control], env }),
})

const lateness = new Map<string, number[]>()
for (let round = 0; round < rounds; round++) {
  for (const { name, run } of subjects) {
    const directory = await mkdtemp(join(tmpdir(), 'bench-lateness-'))
    try {
      await run({ LATENESS_DIRECTORY: directory })
      for (const file of await readdir(directory))
        await addTicks(`${name}, ${file.split('-')[0]}`, join(directory, file))
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  }
}
console.log(`how late a timer of 10 ms is, ${rounds} rounds, in ms`)
for (const [name, late] of lateness) {
  const [middle, high, highest] = [0.5, 0.99, 1].map((share) => quantile(late, share).toFixed(1))
  console.log(`  ${name}: p50 ${middle}, p99 ${high}, longest ${highest} (${late.length} ticks)`)
}

async function addTicks(name: string, file: string): Promise<void> {
  const ticks = (await readFile(file, 'utf8')).trim().split('\n').map(Number)
  lateness.set(name, [...(lateness.get(name) ?? []), ...ticks])
}
