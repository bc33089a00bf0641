import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { ChannelReader, ChannelWriter } from '../../core/channel.ts'
import { assert } from '../../core/errors.ts'
import type { RemoteChannel } from '../deploy/placement.ts'
import { hostOf } from '../deploy/placement.ts'
import { PortReader, PortWriter } from '../channel/port-channel.ts'
import type { RemoteEnds } from './task-host.ts'

/** One end of a channel to another worker, as it is handed to a worker. */
export interface WorkerChannel {
  readonly id: string
  readonly port: MessagePort
}

/** Makes the channels of one attempt; gives each worker its ends. */
export function makeChannels(
  channels: readonly RemoteChannel[],
  workers: number,
): readonly (readonly WorkerChannel[])[] {
  const ends: WorkerChannel[][] = Array.from({ length: workers }, () => [])
  for (const { id, fromHost, toHost } of channels) {
    const { port1, port2 } = new MessageChannel()
    ends[fromHost]!.push({ id, port: port1 })
    ends[toHost]!.push({ id, port: port2 })
  }
  return ends
}

/** A worker's ends of its channels to other workers. */
export class ThreadChannels implements RemoteEnds {
  private readonly worker: number
  private readonly workers: number
  private readonly capacity: number
  private readonly ports: ReadonlyMap<string, MessagePort>

  constructor(options: { worker: number; workers: number; capacity: number; channels: readonly WorkerChannel[] }) {
    this.worker = options.worker
    this.workers = options.workers
    this.capacity = options.capacity
    this.ports = new Map(options.channels.map(({ id, port }) => [id, port]))
  }

  isHere(subtask: number): boolean {
    return hostOf(subtask, this.workers) === this.worker
  }

  writer(channel: string, onRoom: () => void): ChannelWriter {
    return new PortWriter(this.port(channel), this.capacity, onRoom)
  }

  reader(channel: string, onData: () => void): ChannelReader {
    return new PortReader(this.port(channel), onData)
  }

  close(): void {
    for (const port of this.ports.values()) port.close()
  }

  private port(channel: string): MessagePort {
    const port = this.ports.get(channel)
    assert(port !== undefined, `worker ${this.worker} has no end of channel ${channel}`)
    return port
  }
}
