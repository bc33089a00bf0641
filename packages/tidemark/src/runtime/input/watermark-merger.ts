/**
 * The watermark of a task: the least over its channels, idle ones left out; never goes back (Flink's StatusWatermarkValve).
 */
export class WatermarkMerger {
  private readonly watermarks: number[]
  private readonly idle: boolean[]
  private merged: number
  private isIdleNow = false

  constructor(channels: number, restored: number | null) {
    this.watermarks = Array.from({ length: channels }, () => Number.NEGATIVE_INFINITY)
    this.idle = Array.from({ length: channels }, () => false)
    this.merged = restored ?? Number.NEGATIVE_INFINITY
  }

  get current(): number {
    return this.merged
  }

  get isIdle(): boolean {
    return this.isIdleNow
  }

  /** Returns the new merged watermark, or null when it did not advance. */
  onWatermark(channel: number, timestamp: number): number | null {
    if (timestamp > this.watermarks[channel]!) this.watermarks[channel] = timestamp
    return this.advance()
  }

  /** Returns the new merged watermark, or null when it did not advance. */
  onStatus(channel: number, isIdle: boolean): number | null {
    this.idle[channel] = isIdle
    this.isIdleNow = this.idle.every((value) => value)
    return this.advance()
  }

  private advance(): number | null {
    let least = Number.POSITIVE_INFINITY
    let active = 0
    for (let channel = 0; channel < this.watermarks.length; channel++) {
      if (this.idle[channel]) continue
      active++
      if (this.watermarks[channel]! < least) least = this.watermarks[channel]!
    }
    if (active === 0 || least <= this.merged) return null
    this.merged = least
    return least
  }
}
