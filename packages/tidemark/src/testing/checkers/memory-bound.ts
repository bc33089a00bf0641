/** Counts records inside a job: those that went in and have not come out, and the most that there ever were. */
export class InFlight {
  #now = 0
  #most = 0

  enter(): void {
    if (++this.#now > this.#most) this.#most = this.#now
  }

  leave(): void {
    this.#now--
  }

  /** A restart throws away what was inside. */
  forget(): void {
    this.#now = 0
  }

  get now(): number {
    return this.#now
  }

  get most(): number {
    return this.#most
  }
}

/**
 * The most records that a job may hold, by its configuration: for each channel its capacity, a batch that was let in when there was room for one
 * record, a batch being filled and those that wait for room in front of it; for each task a batch in front of each operator and one being fed.
 */
export function inFlightBound(options: {
  readonly channels: number
  readonly tasks: number
  /** Operators of the longest chain. */
  readonly chainLength: number
  /** What a channel may hold: within a thread its capacity, between workers up to eight times as much. */
  readonly channelCapacity: number
  readonly batchSize: number
}): number {
  const { channels, tasks, chainLength, channelCapacity, batchSize } = options
  return channels * (channelCapacity + 4 * batchSize) + tasks * (chainLength + 2) * batchSize
}
