/**
 * Checks what `runningCount` wrote: for every key exactly the values 1 … N, each once, where N is the number of the key's records. `at-least-once`: none of them
 * missing. `so-far`: the job still runs, and none comes twice; some may be missing, since a transaction whose commit is repeated comes later than others.
 *
 * @returns what is wrong, for people; null when nothing is.
 */
export function runningCountProblem<K>(
  counts: Iterable<readonly [K, number]>,
  totals: ReadonlyMap<K, number>,
  mode: 'exactly-once' | 'at-least-once' | 'so-far' = 'exactly-once',
): string | null {
  const byKey = new Map<K, number[]>()
  for (const [key, count] of counts) {
    const list = byKey.get(key)
    if (list === undefined) byKey.set(key, [count])
    else list.push(count)
  }
  for (const [key, list] of byKey) {
    const problem = keyProblem(list, totals.get(key) ?? 0, mode)
    if (problem !== null) return `key ${JSON.stringify(key)}: ${problem}`
  }
  if (mode === 'so-far') return null
  for (const [key, total] of totals) if (total > 0 && !byKey.has(key)) return `key ${JSON.stringify(key)} is missing`
  return null
}

function keyProblem(
  counts: readonly number[],
  total: number,
  mode: 'exactly-once' | 'at-least-once' | 'so-far',
): string | null {
  const seen = new Set(counts)
  if (mode !== 'so-far') {
    for (let count = 1; count <= total; count++) if (!seen.has(count)) return `count ${count} of ${total} is missing`
  }
  if (mode === 'at-least-once') return null
  if (counts.length !== seen.size) return `a count comes twice in ${[...counts].sort((a, b) => a - b).join(' ')}`
  const foreign = counts.find((count) => !Number.isSafeInteger(count) || count < 1 || count > total)
  return foreign === undefined ? null : `count ${foreign} of ${total} cannot be`
}
