const FIRST_MS = 50
const MOST_MS = 2000
/** A coordinator that is writing the markers of a transaction is mostly done with it so soon. */
const FIRST_OF_MARKERS_MS = 5

/** How long to wait before trying again after this many failures in a row: a moved leader is mostly known at once, so the first time not at all. */
export function backoffMs(failures: number): number {
  return failures <= 1 ? 0 : Math.min(MOST_MS, FIRST_MS * 2 ** (failures - 2))
}

/** The same where the first time, too, has to wait for something to change. */
export function retryDelayMs(failures: number, code: string): number {
  const firstMs = code === 'CONCURRENT_TRANSACTIONS' ? FIRST_OF_MARKERS_MS : FIRST_MS
  return Math.min(MOST_MS, firstMs * 2 ** (failures - 1))
}
