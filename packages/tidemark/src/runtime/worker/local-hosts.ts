import type { ChannelReader, ChannelWriter } from '../../core/channel.ts'
import type { Clock } from '../../core/clock.ts'
import { createRing } from '../channel/ring-layout.ts'
import { RingReader } from '../channel/ring-reader.ts'
import { RingWriter } from '../channel/ring-writer.ts'
import { ElementDecoder, ElementEncoder } from '../codec/element-codec.ts'
import { hostOf, remoteChannels, usefulHosts } from '../deploy/placement.ts'
import type { OpenHosts } from './host-set.ts'
import { LocalHost } from './local-host.ts'
import { ringBytes } from './remote-channels.ts'
import type { RemoteEnds, TaskHostOptions } from './task-host.ts'

/**
 * The task hosts of one attempt in this thread: one, unless several are asked for. Several have between them what worker threads have, rings and all but the threads: so a simulator that
 * decides every turn drives the same placement, messages and channels.
 */
export function openLocalHosts(
  options: Omit<TaskHostOptions, 'send' | 'remote'>,
  messagesPerTurn: number,
  wanted: number,
): OpenHosts {
  const { graph, clock } = options
  const hosts = usefulHosts(graph, wanted)
  if (hosts === 1) return (listenerOf) => [new LocalHost(options, messagesPerTurn, listenerOf(0))]
  return (listenerOf) => {
    const { channelCapacity, development } = options.options
    const makeRing = () => createRing(ringBytes(channelCapacity), channelCapacity)
    const rings = new Map(remoteChannels(graph, hosts).map(({ id }) => [id, new Ring(makeRing(), clock)]))
    return Array.from({ length: hosts }, (_, host) => {
      const remote = new LocalEnds(rings, host, hosts, development)
      return new LocalHost({ ...options, remote }, messagesPerTurn, listenerOf(host))
    })
  }
}

/** A ring, and whom its two ends wake: in a later turn, as a doorbell does. */
class Ring {
  readonly memory: SharedArrayBuffer
  onData: () => void = () => {}
  onRoom: () => void = () => {}
  readonly clock: Pick<Clock, 'defer' | 'monotonic'>

  constructor(memory: SharedArrayBuffer, clock: Pick<Clock, 'defer' | 'monotonic'>) {
    this.memory = memory
    this.clock = clock
  }

  wakeConsumer(): void {
    this.clock.defer(() => this.onData())
  }

  wakeProducer(): void {
    this.clock.defer(() => this.onRoom())
  }
}

class LocalEnds implements RemoteEnds {
  private readonly rings: ReadonlyMap<string, Ring>
  private readonly host: number
  private readonly hosts: number
  private readonly encoder = new ElementEncoder()
  private readonly decoder: ElementDecoder

  constructor(rings: ReadonlyMap<string, Ring>, host: number, hosts: number, isDevelopment: boolean) {
    this.rings = rings
    this.host = host
    this.hosts = hosts
    this.decoder = new ElementDecoder({ isDevelopment })
  }

  isHere(subtask: number): boolean {
    return hostOf(subtask, this.hosts) === this.host
  }

  writer(channel: string, operator: string, onRoom: () => void): ChannelWriter {
    const ring = this.rings.get(channel)!
    ring.onRoom = onRoom
    return new RingWriter(ring.memory, { encoder: this.encoder, operator, wakeConsumer: () => ring.wakeConsumer() })
  }

  reader(channel: string, onData: () => void): ChannelReader {
    const ring = this.rings.get(channel)!
    ring.onData = onData
    return new RingReader(ring.memory, {
      decoder: this.decoder,
      wakeProducer: () => ring.wakeProducer(),
      clock: ring.clock,
    })
  }

  close(): void {}
}
