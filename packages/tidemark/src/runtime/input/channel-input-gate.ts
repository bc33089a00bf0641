import type { ChannelReader } from '../../core/channel.ts'
import type { BufferOrEvent } from '../../core/element.ts'
import { type ChannelIndex, channelIndex } from '../../core/ids.ts'
import type { InputGate } from './contract.ts'

/** The gate over the channels of one task: takes turns among channels that are not blocked. */
export class ChannelInputGate implements InputGate {
  private readonly readers: readonly ChannelReader[]
  private readonly isBlocked: boolean[]
  private readonly hasEnded: boolean[]
  private open: number
  private next = 0

  constructor(readers: readonly ChannelReader[]) {
    this.readers = readers
    this.isBlocked = readers.map(() => false)
    this.hasEnded = readers.map(() => false)
    this.open = readers.length
  }

  get channels(): number {
    return this.readers.length
  }

  poll(): BufferOrEvent | 'nothing-now' | 'finished' {
    const count = this.readers.length
    for (let tried = 0; tried < count; tried++) {
      const channel = this.next
      this.next = channel + 1 === count ? 0 : channel + 1
      if (this.isBlocked[channel] || this.hasEnded[channel]) continue
      const element = this.readers[channel]!.poll()
      if (element === undefined) continue
      if (element.kind === 'end-of-partition') {
        this.hasEnded[channel] = true
        this.open--
      }
      return { channel: channelIndex(channel), element }
    }
    return this.open === 0 ? 'finished' : 'nothing-now'
  }

  block(channel: ChannelIndex): void {
    this.isBlocked[channel] = true
  }

  unblock(channel: ChannelIndex): void {
    this.isBlocked[channel] = false
  }
}
