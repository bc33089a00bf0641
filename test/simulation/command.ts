import { parseArgs } from 'node:util'
import { simulateSeed } from '../../packages/tidemark/src/testing/simulator/simulation.ts'
import type { SeedReport } from '../../packages/tidemark/src/testing/simulator/simulation-contract.ts'
import { ALL_JOBS } from './jobs/all-jobs.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    seed: { type: 'string' },
    job: { type: 'string' },
    trace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
  },
})

const wanted = values.job?.split(',')
const jobs = ALL_JOBS.filter(({ name }) => wanted === undefined || wanted.includes(name))
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
  for (const job of values.seed === undefined ? [jobOf(seed)] : jobs) {
    const report = await simulateSeed(job, { seed, ...(values.trace ? { log: (line) => console.log(line) } : {}) })
    reports.push(report)
    if (report.violation === null) continue
    failed++
    if (values.json) {
      const { promise } = report.violation
      console.log(JSON.stringify({ job: job.name, seed, seeds: seed - first + 1, promise }))
    }
    console.error(`FAILED ${job.name} seed ${seed}: ${report.violation.message}`)
    console.error(`replay: npm run -s simulate -- --seed ${seed} --job ${job.name} --trace`)
  }
  if (failed > 0 && !values['keep-going']) break
}
if (!values.json) summarise()
process.exitCode = failed > 0 ? 1 : 0

function jobOf(seed: number): (typeof jobs)[number] {
  return jobs[seed % jobs.length]!
}

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
