/**
 * An array for so many records, to be filled from its beginning and cut to what was filled. An array made as long as it will be is not copied while it grows; and one that has held a
 * reference from the start is of one kind for V8 whatever the records are: else the places that store records meet more kinds than they can tell apart, and each store is a call (15 ns).
 */
export function roomForRecords(count: number): unknown[] {
  // oxlint-disable-next-line unicorn/no-new-array -- each step of Array.from is a call
  const room = new Array<unknown>(Math.max(1, count))
  room[0] = null
  return room
}

/** The same for the timestamps of a batch, of which the first `count` records have none. */
export function roomForTimestamps(size: number, count: number): number[] {
  // oxlint-disable-next-line unicorn/no-new-array -- each step of Array.from is a call
  const room = new Array<number>(Math.max(1, size))
  // Doubles from the start.
  room[0] = Number.NaN
  room.fill(Number.NaN, 0, count)
  return room
}
