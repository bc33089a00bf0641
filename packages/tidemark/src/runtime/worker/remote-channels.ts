import type { ChannelReader, ChannelWriter } from '../../core/channel.ts'
import type { Cancel, Clock } from '../../core/clock.ts'
import { assert } from '../../core/errors.ts'
import { createRing } from '../channel/ring-layout.ts'
import { RingReader } from '../channel/ring-reader.ts'
import { RingWriter } from '../channel/ring-writer.ts'
import { ElementDecoder, ElementEncoder } from '../codec/element-codec.ts'
import { hostOf, type RemoteChannel } from '../deploy/placement.ts'
import { createDoorbell, Doorbell } from './doorbell.ts'
import type { RemoteEnds } from './task-host.ts'

/** One end of a channel to another worker, as it is handed to a worker. Its position among the worker's ends is its bit of the worker's doorbell. */
export interface WorkerChannel {
  readonly id: string
  readonly ring: SharedArrayBuffer
  /** Who has the other end, and its bit of that worker's doorbell. */
  readonly peer: number
  readonly peerBit: number
}

/** Memory shared by the workers of one attempt. */
export interface SharedChannels {
  /** One per worker. */
  readonly doorbells: readonly SharedArrayBuffer[]
  /** For each worker its ends. */
  readonly ends: readonly (readonly WorkerChannel[])[]
}

/** A ring's credit is counted in records and in bytes: this many for each record of a channel's capacity. */
const BYTES_PER_RECORD = 128
const LEAST_RING_BYTES = 64
const MOST_RING_BYTES = 1 << 24

/** The size of the ring of a channel that is to hold `capacity` records of common size. */
export function ringBytes(capacity: number): number {
  return Math.min(MOST_RING_BYTES, Math.max(LEAST_RING_BYTES, capacity * BYTES_PER_RECORD))
}

/** Makes the channels of one attempt. */
export function makeChannels(channels: readonly RemoteChannel[], workers: number, capacity: number): SharedChannels {
  const bytes = ringBytes(capacity)
  const ends: WorkerChannel[][] = Array.from({ length: workers }, () => [])
  for (const { id, fromHost, toHost } of channels) {
    const ring = createRing(bytes, capacity)
    const [from, to] = [ends[fromHost]!, ends[toHost]!]
    const [fromBit, toBit] = [from.length, to.length]
    from.push({ id, ring, peer: toHost, peerBit: toBit })
    to.push({ id, ring, peer: fromHost, peerBit: fromBit })
  }
  return { ends, doorbells: ends.map(({ length }) => createDoorbell(length)) }
}

export interface ThreadChannelsOptions {
  readonly worker: number
  readonly workers: number
  readonly channels: readonly WorkerChannel[]
  readonly doorbells: readonly SharedArrayBuffer[]
  readonly clock: Pick<Clock, 'defer' | 'monotonic'>
  readonly isDevelopment: boolean
}

/** A worker's ends of its channels to other workers: rings in shared memory, doorbells that say when to look. */
export class ThreadChannels implements RemoteEnds {
  private readonly options: ThreadChannelsOptions
  private readonly doorbells: readonly Doorbell[]
  private readonly own: Doorbell
  private readonly bits: ReadonlyMap<string, number>
  /** What is woken when the bit of an end is rung. */
  private readonly onRing: (() => void)[] = []
  private readonly encoder = new ElementEncoder()
  private readonly decoder: ElementDecoder
  private readonly stopListening: Cancel

  constructor(options: ThreadChannelsOptions) {
    const { worker, channels, doorbells, clock, isDevelopment } = options
    this.options = options
    this.decoder = new ElementDecoder({ isDevelopment })
    this.doorbells = doorbells.map((memory) => new Doorbell(memory))
    this.bits = new Map(channels.map(({ id }, bit) => [id, bit]))
    this.own = this.doorbells[worker]!
    this.stopListening = this.own.listen((bit) => this.onRing[bit]?.(), clock)
  }

  isHere(subtask: number): boolean {
    const { worker, workers } = this.options
    return hostOf(subtask, workers) === worker
  }

  writer(channel: string, operator: string, onRoom: () => void): ChannelWriter {
    const { ring, wakePeer } = this.attach(channel, onRoom)
    return new RingWriter(ring, { encoder: this.encoder, operator, wakeConsumer: wakePeer })
  }

  reader(channel: string, onData: () => void): ChannelReader {
    const { ring, wakePeer } = this.attach(channel, onData)
    return new RingReader(ring, { decoder: this.decoder, wakeProducer: wakePeer, clock: this.options.clock })
  }

  poll(): void {
    this.own.poll()
  }

  close(): void {
    this.stopListening()
  }

  private attach(channel: string, onRing: () => void): { ring: SharedArrayBuffer; wakePeer: () => void } {
    const bit = this.bits.get(channel)
    assert(bit !== undefined, `worker ${this.options.worker} has an end of channel ${channel}`)
    this.onRing[bit] = onRing
    const { ring, peer, peerBit } = this.options.channels[bit]!
    const doorbell = this.doorbells[peer]!
    return { ring, wakePeer: () => doorbell.ring(peerBit) }
  }
}
