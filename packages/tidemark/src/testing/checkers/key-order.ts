/**
 * Checks that the records of each key come in the order of their sequence numbers, which need not be without gaps.
 *
 * @returns what is wrong, for people; null when nothing is.
 */
export function keyOrderProblem<T>(
  records: Iterable<T>,
  keyOf: (record: T) => unknown,
  sequenceOf: (record: T) => number,
): string | null {
  const last = new Map<unknown, number>()
  for (const record of records) {
    const key = keyOf(record)
    const sequence = sequenceOf(record)
    const before = last.get(key)
    if (before !== undefined && sequence <= before)
      return `key ${JSON.stringify(key)}: ${sequence} comes after ${before}`
    last.set(key, sequence)
  }
  return null
}
