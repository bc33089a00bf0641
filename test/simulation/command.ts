import { parseArgs } from 'node:util'
import { type SeedReport, simulateSeed } from '../../packages/tidemark/src/testing/simulator/simulation.ts'
import { ALL_JOBS } from './jobs/all-jobs.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    seed: { type: 'string' },
    job: { type: 'string' },
    trace: { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
  },
})

const jobs = values.job === undefined ? ALL_JOBS : ALL_JOBS.filter(({ name }) => name === values.job)
if (jobs.length === 0) {
  console.error(`There is no job ${values.job}. Jobs: ${ALL_JOBS.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
const first = Number(values.seed ?? values.first)
const count = values.seed === undefined ? Number(values.seeds) : 1
const reports: SeedReport[] = []
const startedAt = performance.now()
let failed = 0
for (let seed = first; seed < first + count; seed++) {
  // Each seed runs one job; all jobs get their turn.
  for (const job of values.seed === undefined ? [jobs[seed % jobs.length]!] : jobs) {
    const report = await simulateSeed(job, { seed, ...(values.trace ? { log: (line) => console.log(line) } : {}) })
    reports.push(report)
    if (report.violation === null) continue
    failed++
    console.error(`FAILED ${job.name} seed ${seed}: ${report.violation.message}`)
    console.error(`replay: npm run -s simulate -- --seed ${seed} --job ${job.name} --trace`)
  }
  if (failed > 0 && !values['keep-going']) break
}
summarise()
process.exitCode = failed > 0 ? 1 : 0

function summarise(): void {
  const sum = (of: (report: SeedReport) => number): number => reports.reduce((total, report) => total + of(report), 0)
  const seconds = (performance.now() - startedAt) / 1000
  const faults = new Map<string, number>()
  for (const report of reports)
    for (const [kind, number] of report.faults) faults.set(kind, (faults.get(kind) ?? 0) + number)
  console.log(
    `${reports.length} seeds in ${seconds.toFixed(1)} s (${((1000 * seconds) / reports.length).toFixed(2)} ms each), ${failed} failed`,
  )
  console.log(
    `${sum((r) => r.steps)} steps, ${sum((r) => r.processes)} processes, ${sum((r) => r.attempts)} attempts, ${sum((r) => r.restores)} restores, ` +
      `${sum((r) => r.checkpoints)} checkpoints complete, ${sum((r) => r.failedCheckpoints)} failed`,
  )
  console.log(`faults: ${[...faults].map(([kind, number]) => `${number} ${kind}`).join(', ')}`)
}
