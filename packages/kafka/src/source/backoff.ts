const FIRST_MS = 50
const MOST_MS = 2000

/** How long to wait before trying again after this many failures in a row: a moved leader is mostly known at once, so the first time not at all. */
export function backoffMs(failures: number): number {
  return failures <= 1 ? 0 : Math.min(MOST_MS, FIRST_MS * 2 ** (failures - 2))
}
