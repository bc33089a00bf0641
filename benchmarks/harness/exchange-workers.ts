/**
 * Two workers exchange small records by key. Each makes half of the records, sends them by the hash of their key (half of them cross to the other worker) and adds up those that come to it. Made of the
 * parts that a job is made of: scheduler, edge writer, local channel, ring, codec, doorbell; or, the naive way, with postMessage in place of ring and codec. Once to warm the threads up, as the peers do, then once more, which
 * prints one line of JSON as the peers do: {"records":…,"seconds":…,"cpuSeconds":…}.
 *
 *     node exchange-workers.mjs --transport ring --keys 1000 --records 20000000
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { isMainThread, MessageChannel, type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads'
import type { ChannelReader, ChannelWriter } from '../../packages/tidemark/src/core/channel.ts'
import { END_OF_PARTITION, recordBatch, type StreamElement } from '../../packages/tidemark/src/core/element.ts'
import { subtaskOfHash } from '../../packages/tidemark/src/core/key-group.ts'
import { EdgeWriter } from '../../packages/tidemark/src/runtime/channel/edge-writer.ts'
import { LocalChannel } from '../../packages/tidemark/src/runtime/channel/local-channel.ts'
import { createRing } from '../../packages/tidemark/src/runtime/channel/ring-layout.ts'
import { RingReader } from '../../packages/tidemark/src/runtime/channel/ring-reader.ts'
import { RingWriter } from '../../packages/tidemark/src/runtime/channel/ring-writer.ts'
import { ElementDecoder, ElementEncoder } from '../../packages/tidemark/src/runtime/codec/element-codec.ts'
import { createDoorbell, Doorbell } from '../../packages/tidemark/src/runtime/worker/doorbell.ts'
import { type Runnable, Scheduler } from '../../packages/tidemark/src/runtime/worker/scheduler.ts'

const BATCH = 512
const CHANNEL_RECORDS = 2048
const RING_BYTES = 1 << 18
const MAX_PARALLELISM = 128
const BITS = { consumer: 0, producer: 1 } as const

interface Reading {
  readonly key: string
  readonly value: number
}

interface Setup {
  readonly self: number
  readonly keys: number
  readonly transport: 'ring' | 'postMessage'
  /** `rings[i]` leads to worker i, `doorbells[i]` and `ports[i]` are its own. */
  readonly rings: readonly SharedArrayBuffer[]
  readonly doorbells: readonly SharedArrayBuffer[]
  readonly port: MessagePort
}

interface Counted {
  readonly records: number
  readonly sum: number
}

const clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: () => () => {},
  defer(callback: () => void) {
    const turn = setImmediate(callback)
    return () => clearImmediate(turn)
  },
}

/** Where the source's records come from: the same sequence in each run. */
class Readings {
  private readonly keys: readonly string[]
  private state: number
  private left: number

  constructor(keys: number, records: number, seed: number) {
    this.keys = Array.from({ length: keys }, (_, index) => `key-${index}`)
    this.left = records
    this.state = seed
  }

  get hasMore(): boolean {
    return this.left > 0
  }

  batch(): Reading[] {
    // Long enough at once: an array that grows is copied again and again.
    // oxlint-disable-next-line unicorn/no-new-array -- room for all of them
    const readings = new Array<Reading>(Math.min(BATCH, this.left))
    const { keys } = this
    let { state } = this
    for (let index = 0; index < readings.length; index++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0
      const random = state >>> 8
      readings[index] = { key: keys[random % keys.length]!, value: random & 0xff }
    }
    this.state = state
    this.left -= readings.length
    return readings
  }
}

class Producer implements Runnable {
  private readonly readings: Readings
  private readonly writer: EdgeWriter
  private hasEnded = false

  constructor(setup: Setup, records: number, channels: readonly ChannelWriter[]) {
    this.readings = new Readings(setup.keys, records, setup.self + 1)
    const channelOfHash = subtaskOfHash(MAX_PARALLELISM, channels.length)
    this.writer = new EdgeWriter(channels, { keyOf: (record) => (record as Reading).key, channelOfHash }, BATCH)
  }

  step(): boolean {
    if (!this.writer.drain()) return false
    if (this.readings.hasMore) {
      this.writer.write(recordBatch(this.readings.batch()))
      return true
    }
    if (!this.hasEnded) this.writer.event(END_OF_PARTITION)
    this.hasEnded = true
    return false
  }
}

class Consumer implements Runnable {
  private readonly channels: readonly ChannelReader[]
  private readonly onEnd: (counted: Counted) => void
  private readonly counted = { records: 0, sum: 0 }
  private open: number
  private next = 0

  constructor(channels: readonly ChannelReader[], onEnd: (counted: Counted) => void) {
    this.channels = channels
    this.open = channels.length
    this.onEnd = onEnd
  }

  step(): boolean {
    let element: StreamElement | undefined
    // What comes now belongs to the next round.
    if (this.open === 0) return false
    for (let tried = 0; element === undefined && tried < this.channels.length; tried++) {
      element = this.channels[this.next]!.poll()
      this.next = (this.next + 1) % this.channels.length
    }
    if (element === undefined) return false
    if (element.kind === 'records') this.count(element.values as readonly Reading[])
    else if (--this.open === 0) this.onEnd(this.counted)
    return true
  }

  private count(readings: readonly Reading[]): void {
    const { counted } = this
    for (let index = 0; index < readings.length; index++) counted.sum += readings[index]!.value
    counted.records += readings.length
  }
}

/** The naive way: batches by structured clone, so many on the way at most. */
class MessageTransport implements ChannelWriter, ChannelReader {
  private readonly port: MessagePort
  private readonly queue: StreamElement[] = []
  private credit = 16

  constructor(port: MessagePort, onData: () => void, onRoom: () => void) {
    this.port = port
    port.on('message', (message: StreamElement | 'credit') => {
      if (message === 'credit') {
        this.credit++
        onRoom()
      } else {
        this.queue.push(message)
        onData()
      }
    })
  }

  hasRoom(): boolean {
    return this.credit > 0
  }

  offer(element: StreamElement): boolean {
    if (this.credit === 0) return false
    this.credit--
    this.port.postMessage(element)
    return true
  }

  poll(): StreamElement | undefined {
    const element = this.queue.shift()
    if (element !== undefined) this.port.postMessage('credit')
    return element
  }

  isEmpty(): boolean {
    return this.queue.length === 0
  }
}

function work(setup: Setup): void {
  const { self, rings, doorbells, port } = setup
  const other = 1 - self
  const own = new Doorbell(doorbells[self]!)
  const scheduler = new Scheduler({
    clock,
    sliceMs: 8,
    stepsPerTurn: Number.POSITIVE_INFINITY,
    pick: () => 0,
    poll: () => own.poll(),
  })
  let tasks: { readonly producer: Producer; readonly consumer: Consumer }
  const wakeConsumer = () => scheduler.wake(tasks.consumer)
  const wakeProducer = () => scheduler.wake(tasks.producer)
  const local = new LocalChannel(CHANNEL_RECORDS, wakeConsumer, wakeProducer)
  const remote = new Doorbell(doorbells[other]!)
  const ringsOther = (bit: number) => () => remote.ring(bit)
  const message = setup.transport === 'ring' ? null : new MessageTransport(port, wakeConsumer, wakeProducer)
  const sending =
    message ??
    new RingWriter(rings[other]!, {
      encoder: new ElementEncoder(),
      operator: 'readings',
      wakeConsumer: ringsOther(BITS.consumer),
    })
  const receiving =
    message ??
    new RingReader(rings[self]!, {
      decoder: new ElementDecoder(),
      wakeProducer: ringsOther(BITS.producer),
      clock,
    })
  own.listen((bit) => (bit === BITS.consumer ? wakeConsumer() : wakeProducer()), clock)
  parentPort!.on('message', (records: number) => {
    tasks = {
      producer: new Producer(setup, records, self === 0 ? [local, sending] : [sending, local]),
      consumer: new Consumer([local, receiving], (counted) => parentPort!.postMessage(counted)),
    }
    scheduler.add(tasks.producer)
    scheduler.add(tasks.consumer)
    wakeProducer()
    wakeConsumer()
  })
  parentPort!.postMessage('ready')
}

async function exchange({ transport, keys, records }: Exchange): Promise<void> {
  const rings = [createRing(RING_BYTES, CHANNEL_RECORDS), createRing(RING_BYTES, CHANNEL_RECORDS)]
  const doorbells = [createDoorbell(2), createDoorbell(2)]
  const { port1, port2 } = new MessageChannel()
  const workers = [port1, port2].map((port, self) => {
    const setup: Setup = { self, keys, transport, rings, doorbells, port }
    return new Worker(fileURLToPath(import.meta.url), { workerData: setup, transferList: [port] })
  })
  const answers = () => Promise.all(workers.map(answerOf))
  const run = (count: number) => {
    const ended = answers()
    for (const worker of workers) worker.postMessage(count / 2)
    return ended as Promise<readonly Counted[]>
  }
  await answers()
  await run(records)
  const cpuBefore = process.cpuUsage()
  const start = performance.now()
  const counted = await run(records)
  const seconds = (performance.now() - start) / 1000
  const cpu = process.cpuUsage(cpuBefore)
  await Promise.all(workers.map((worker) => worker.terminate()))
  check(counted, keys, records)
  console.log(JSON.stringify({ records, seconds, cpuSeconds: (cpu.user + cpu.system) / 1e6 }))
}

interface Exchange {
  readonly transport: Setup['transport']
  readonly keys: number
  readonly records: number
}

function answerOf(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

function check(counted: readonly Counted[], keys: number, records: number): void {
  const total = (pick: (part: Counted) => number) => counted.reduce((sum, part) => sum + pick(part), 0)
  const isRight = total((part) => part.records) === records && total((part) => part.sum) === sumOf(keys, records)
  if (!isRight) throw new Error(`wrong counts: ${JSON.stringify(counted)}`)
}

function sumOf(keys: number, records: number): number {
  let sum = 0
  for (const self of [0, 1]) {
    const readings = new Readings(keys, records / 2, self + 1)
    while (readings.hasMore) for (const { value } of readings.batch()) sum += value
  }
  return sum
}

function exchangeOf(argv: readonly string[]): Exchange {
  const text = { type: 'string' as const }
  const { transport, keys, records } = parseArgs({
    args: [...argv],
    options: { transport: text, keys: text, records: text },
  }).values
  return { transport: transport === 'postMessage' ? transport : 'ring', keys: Number(keys), records: Number(records) }
}

if (isMainThread) await exchange(exchangeOf(process.argv.slice(2)))
else work(workerData as Setup)
