import type { ChannelReader, ChannelWriter } from '../../core/channel.ts'
import type { StreamElement } from '../../core/element.ts'

/** A channel between two tasks of one thread: a bounded queue of references. */
export class LocalChannel implements ChannelWriter, ChannelReader {
  private readonly capacity: number
  private readonly onData: () => void
  private readonly onRoom: () => void
  private readonly elements: (StreamElement | undefined)[] = []
  private head = 0
  private queued = 0

  /** `onData` wakes the consumer, `onRoom` the producer (only after an offer was refused or `hasRoom` was false). */
  constructor(capacity: number, onData: () => void, onRoom: () => void) {
    this.capacity = capacity
    this.onData = onData
    this.onRoom = onRoom
  }

  hasRoom(): boolean {
    return this.queued < this.capacity
  }

  offer(element: StreamElement): boolean {
    if (this.queued >= this.capacity) return false
    this.elements.push(element)
    this.queued += weight(element)
    this.onData()
    return true
  }

  poll(): StreamElement | undefined {
    if (this.head === this.elements.length) return undefined
    const element = this.elements[this.head]!
    this.elements[this.head++] = undefined
    if (this.head === this.elements.length) {
      this.elements.length = 0
      this.head = 0
    } else if (this.head > 1024) {
      this.elements.splice(0, this.head)
      this.head = 0
    }
    const wasFull = this.queued >= this.capacity
    this.queued -= weight(element)
    if (wasFull && this.queued < this.capacity) this.onRoom()
    return element
  }

  isEmpty(): boolean {
    return this.head === this.elements.length
  }
}

function weight(element: StreamElement): number {
  return element.kind === 'records' ? element.values.length : 1
}
