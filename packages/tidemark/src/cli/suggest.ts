/** The candidates that somebody may have meant, nearest first, at most three. */
export function suggest(given: string, candidates: readonly string[]): readonly string[] {
  const limit = Math.max(2, Math.floor(given.length / 3))
  return candidates
    .map((candidate) => ({ candidate, distance: distanceTo(given, candidate) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ candidate }) => candidate)
}

/** A beginning or a part that is long enough is as good as one typing error. */
function distanceTo(given: string, candidate: string): number {
  const bare = given.replace(/^-+/, '')
  if (bare.length >= 4 && candidate.includes(bare)) return 1
  return editDistance(given, candidate)
}

/** Levenshtein's distance, by rows. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(replaced, previous[j]! + 1, row[j - 1]! + 1))
    }
    previous = row
  }
  return previous[b.length]!
}
