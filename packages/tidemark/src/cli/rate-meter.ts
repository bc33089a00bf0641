/** Records per second over the last few seconds, from readings of a counter. */
export class RateMeter {
  private readonly windowMs: number
  private readings: { readonly atMs: number; readonly count: number }[] = []

  constructor(windowMs = 2000) {
    this.windowMs = windowMs
  }

  /** Takes a reading and gives the rate; 0 until there are two. */
  read(atMs: number, count: number): number {
    const last = this.readings.at(-1)
    // Same moment, or a counter that was started again.
    if (last !== undefined && (atMs <= last.atMs || count < last.count)) this.readings = []
    this.readings.push({ atMs, count })
    while (this.readings.length > 2 && this.readings[1]!.atMs <= atMs - this.windowMs) this.readings.shift()
    const first = this.readings[0]!
    return atMs > first.atMs ? ((count - first.count) * 1000) / (atMs - first.atMs) : 0
  }
}
