/**
 * Compares what came out with what had to: every expected record exactly as often as expected, in any order. Records are compared as JSON, or by
 * `render`.
 *
 * @returns what is wrong, for people; null when nothing is.
 */
export function exactlyOnceProblem<T>(
  actual: Iterable<T>,
  expected: Iterable<T>,
  render: (record: T) => string = (record) => JSON.stringify(record),
): string | null {
  const surplus = surplusOf(actual, expected, render)
  const doubled = [...surplus].filter(([, count]) => count > 0)
  const lost = [...surplus].filter(([, count]) => count < 0)
  if (doubled.length === 0 && lost.length === 0) return null
  return [describe('too often', doubled), describe('missing', lost)].filter((text) => text !== '').join('; ')
}

/** As `exactlyOnceProblem`, while the job has not finished: nothing may be there that was not expected, or more often. */
export function surplusProblem<T>(
  actual: Iterable<T>,
  expected: Iterable<T>,
  render: (record: T) => string = (record) => JSON.stringify(record),
): string | null {
  const doubled = [...surplusOf(actual, expected, render)].filter(([, count]) => count > 0)
  return doubled.length === 0 ? null : describe('too often', doubled)
}

/** At least once: every expected record is there as often as expected, or more often. */
export function lossProblem<T>(
  actual: Iterable<T>,
  expected: Iterable<T>,
  render: (record: T) => string = (record) => JSON.stringify(record),
): string | null {
  const lost = [...surplusOf(actual, expected, render)].filter(([, count]) => count < 0)
  return lost.length === 0 ? null : describe('missing', lost)
}

function surplusOf<T>(
  actual: Iterable<T>,
  expected: Iterable<T>,
  render: (record: T) => string,
): ReadonlyMap<string, number> {
  const surplus = new Map<string, number>()
  const add = (record: T, by: number): void => {
    const text = render(record)
    surplus.set(text, (surplus.get(text) ?? 0) + by)
  }
  for (const record of actual) add(record, 1)
  for (const record of expected) add(record, -1)
  return surplus
}

function describe(what: string, records: readonly (readonly [string, number])[]): string {
  if (records.length === 0) return ''
  const shown = records.slice(0, 5).map(([text, count]) => `${Math.abs(count)} × ${text}`)
  const more = records.length > 5 ? ` and ${records.length - 5} others` : ''
  return `${what}: ${shown.join(', ')}${more}`
}
