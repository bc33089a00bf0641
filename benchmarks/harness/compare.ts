import { spread } from './statistics.ts'

/** What one run of a subject gave. */
export interface RunResult {
  /** From the first record to the last, where that is known; else of the whole process. What rates and ratios are made of. */
  readonly seconds: number
  /** Of the whole process, where that is something else. */
  readonly processSeconds?: number
  readonly cpuSeconds: number
  readonly peakRssMegabytes: number
}

export interface Subject {
  readonly name: string
  readonly run: () => Promise<RunResult>
}

export interface Comparison {
  readonly title: string
  /** What a run does this many of: rates and CPU are given per one. null: seconds are given. */
  readonly units: { readonly count: number; readonly name: string } | null
  /** The first is the one that is compared with the others. */
  readonly subjects: readonly [Subject, ...Subject[]]
  readonly rounds: number
}

/**
 * Runs the subjects in turn (A B C, A B C, …), so that whatever else the machine does meets all of them alike, and prints medians, extremes and the ratios of the runs
 * of one round.
 */
export async function compare({ title, units, subjects, rounds }: Comparison): Promise<void> {
  const results = subjects.map((): RunResult[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, { name, run }] of subjects.entries()) {
      const result = await run()
      results[index]!.push(result)
      // So that something is known of a comparison that is broken off.
      console.error(`round ${round + 1}, ${name}: ${describe([result], units)}`)
    }
  }
  console.log(`\n${title}, ${rounds} rounds: median (least–greatest)`)
  for (const [index, { name }] of subjects.entries()) console.log(`  ${name}: ${describe(results[index]!, units)}`)
  const [own = []] = results
  for (const [index, { name }] of subjects.entries()) {
    if (index === 0) continue
    const ratios = (of: (result: RunResult) => number) =>
      spread(own.map((result, round) => of(result) / of(results[index]![round]!)))
    const speed = units === null ? `time ${ratios((run) => run.seconds)}` : `rate ${ratios((run) => 1 / run.seconds)}`
    console.log(
      `  ${subjects[0].name} / ${name}, by pairs: ${speed}, CPU ${ratios((run) => run.cpuSeconds)}, memory ${ratios((run) => run.peakRssMegabytes)}`,
    )
  }
}

function describe(results: readonly RunResult[], units: Comparison['units']): string {
  const memory = `${spread(
    results.map((result) => result.peakRssMegabytes),
    0,
  )} MB`
  if (units === null) {
    const times = spread(
      results.map((result) => result.seconds * 1000),
      0,
    )
    const cpu = spread(
      results.map((result) => result.cpuSeconds * 1000),
      0,
    )
    return `${times} ms, ${cpu} ms of CPU, ${memory}`
  }
  const rates = spread(results.map((result) => units.count / result.seconds / 1e6))
  const processes = results.flatMap(({ processSeconds }) => processSeconds ?? [])
  const whole =
    processes.length === 0 ? '' : ` (whole process ${spread(processes.map((seconds) => units.count / seconds / 1e6))})`
  const cpu = spread(
    results.map((result) => (result.cpuSeconds * 1e9) / units.count),
    0,
  )
  return `${rates} M ${units.name}/s${whole}, ${cpu} ns of CPU each, ${memory}`
}
