import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import * as esbuild from 'esbuild'
import { describe, expect, it } from 'vitest'
import { createDoorbell, Doorbell } from './doorbell.ts'

const clock = {
  defer(callback: () => void) {
    const turn = setImmediate(callback)
    return () => clearImmediate(turn)
  },
}

/** The protocol over plain memory, one access per step, with the parts that could be left out. */
type Model = { bits: number; state: 'awake' | 'asleep'; waiting: boolean }
type Steps = Generator<undefined, void>

function* ring(model: Model, bit: number): Steps {
  yield
  const wasSet = (model.bits & bit) !== 0
  model.bits |= bit
  if (wasSet) return
  yield
  if (model.state === 'asleep') {
    model.state = 'awake'
    yield
    model.waiting = false
  }
}

function* listen(model: Model, heard: (bits: number) => void, looksAgain: boolean): Steps {
  for (;;) {
    yield
    const { bits } = model
    model.bits = 0
    if (bits !== 0) heard(bits)
    yield
    if (model.bits !== 0) continue
    yield
    model.state = 'asleep'
    yield
    if (looksAgain && model.bits !== 0) {
      yield
      model.state = 'awake'
    }
    yield
    // waitAsync compares and waits in one step.
    if (model.state === 'asleep') model.waiting = true
    while (model.waiting) yield
  }
}

/** Every interleaving of two threads that ring and the listener: true when none ends with a bit that nobody will hear. */
function hearsAll(looksAgain: boolean): boolean {
  const rings: readonly (readonly number[])[] = [
    [1, 2],
    [2, 1],
  ]
  const replay = (choices: readonly number[]) => {
    const model: Model = { bits: 0, state: 'awake', waiting: false }
    const threads = [
      ...rings.map(function* (bits): Steps {
        for (const bit of bits) yield* ring(model, bit)
      }),
      listen(model, () => {}, looksAgain),
    ]
    const isDone = threads.map(() => false)
    for (const choice of choices) isDone[choice] = threads[choice]!.next().done === true
    return { model, isDone }
  }
  const seen = new Set<string>()
  const pending: number[][] = [[]]
  for (let choices = pending.pop(); choices !== undefined; choices = pending.pop()) {
    const path = choices
    const { model, isDone } = replay(choices)
    const haveRung = isDone[0] && isDone[1]
    if (haveRung && model.waiting && model.bits !== 0) return false
    if (choices.length > 26 || (haveRung && model.waiting)) continue
    for (const next of [0, 1, 2]) {
      if (isDone[next] === true || (next === 2 && model.waiting)) continue
      const counts = [0, 1, 2].map((thread) => path.filter((choice) => choice === thread).length)
      counts[next]!++
      // The same steps of each thread seen from the same memory lead to the same future.
      const after = replay([...choices, next])
      const id = JSON.stringify([counts, after.model])
      if (seen.has(id)) continue
      seen.add(id)
      pending.push([...choices, next])
    }
  }
  return true
}

/** A worker from the source beside this test. */
async function startWorker(source: string, workerData: unknown): Promise<Worker> {
  const { outputFiles } = await esbuild.build({
    stdin: { contents: source, resolveDir: fileURLToPath(new URL('.', import.meta.url)), loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    write: false,
  })
  return new Worker(outputFiles[0]!.text, { eval: true, workerData })
}

describe('a doorbell', () => {
  it('loses no ring in any interleaving of two ringing threads and a listener that goes to sleep', () => {
    expect(hearsAll(true)).toBe(true)
    // The check can fail: without the second look a ring is lost.
    expect(hearsAll(false)).toBe(false)
  })

  it('calls the listener for each bit that was rung, in a turn of the event loop or when polled', async () => {
    const doorbell = new Doorbell(createDoorbell(70))
    const heard: number[] = []
    const stop: (() => void)[] = []
    await new Promise<void>((resolve) => {
      stop.push(
        doorbell.listen((bit) => {
          heard.push(bit)
          if (heard.length === 4) resolve()
        }, clock),
      )
      for (const bit of [0, 31, 31, 32, 69]) doorbell.ring(bit)
      expect(heard).toEqual([])
    })
    expect(heard).toEqual([0, 31, 32, 69])
    doorbell.ring(5)
    doorbell.poll()
    expect(heard.at(-1)).toBe(5)
    for (const cancel of stop) cancel()
    doorbell.ring(6)
    doorbell.poll()
    expect(heard.at(-1)).toBe(5)
  })

  it('wakes a sleeping thread every time: five thousand rings of one bit, each awaited', async () => {
    const memories = [createDoorbell(1), createDoorbell(1)]
    const worker = await startWorker(
      `import { parentPort, workerData } from 'node:worker_threads'
      import { Doorbell } from './doorbell.ts'
      const [own, other] = workerData.map((memory) => new Doorbell(memory))
      parentPort.on('message', () => {})
      own.listen(() => other.ring(0), { defer: (callback) => { const turn = setImmediate(callback); return () => clearImmediate(turn) } })`,
      memories.toReversed(),
    )
    const [own, other] = [new Doorbell(memories[0]!), new Doorbell(memories[1]!)]
    let left = 5000
    await new Promise<void>((resolve) => {
      const cancel = own.listen(() => {
        if (left-- === 0) {
          cancel()
          resolve()
        } else if (left % 10 === 0) {
          // Long enough for both to lie down.
          let turns = 5
          const later = () => (turns-- === 0 ? other.ring(0) : void setImmediate(later))
          later()
        } else other.ring(0)
      }, clock)
      other.ring(0)
    })
    await worker.terminate()
    expect(left).toBe(-1)
  })
})

describe('rings and doorbells between two workers', () => {
  it('exchange two million records of random sizes with events in between, complete and in order, through rings of several sizes', async () => {
    const source = `import { parentPort, workerData } from 'node:worker_threads'
      import { createRing } from '../channel/ring-layout.ts'
      import { RingReader } from '../channel/ring-reader.ts'
      import { RingWriter } from '../channel/ring-writer.ts'
      import { ElementDecoder, ElementEncoder } from '../codec/element-codec.ts'
      import { Doorbell } from './doorbell.ts'
      const { role, ring, doorbells, records, seed } = workerData
      const defer = (callback) => { const turn = setImmediate(callback); return () => clearImmediate(turn) }
      const clock = { defer, monotonic: () => performance.now() }
      const own = new Doorbell(doorbells[role])
      const wakeOther = () => other.ring(0)
      const other = new Doorbell(doorbells[1 - role])
      parentPort.on('message', () => {})
      let state = seed
      const random = (below) => { state = (Math.imul(state, 1664525) + 1013904223) | 0; return (state >>> 8) % below }
      let next = 0
      if (role === 0) {
        const writer = new RingWriter(ring, { encoder: new ElementEncoder(), operator: 'x', wakeConsumer: wakeOther })
        let element = null
        const make = () => {
          if (next === records) return { kind: 'end-of-partition' }
          if (random(5) === 0) return { kind: 'watermark', timestamp: next }
          const values = []
          for (let count = Math.min(records - next, 1 + random(random(50) === 0 ? 5000 : 300)); count > 0; count--) values.push({ key: 'k' + (next % 1000), value: next++ })
          return { kind: 'records', values, timestamps: null, origins: null, origin: null, keyHashes: null }
        }
        const produce = () => {
          for (;;) {
            element ??= make()
            if (!writer.offer(element)) return
            if (element.kind === 'end-of-partition') return parentPort.postMessage('sent')
            element = null
          }
        }
        own.listen(produce, clock)
        produce()
      } else {
        const reader = new RingReader(ring, { decoder: new ElementDecoder(), wakeProducer: wakeOther, clock })
        const fail = (element) => parentPort.postMessage('wrong after ' + next + ': ' + JSON.stringify(element).slice(0, 200))
        const consume = () => {
          for (let element = reader.poll(); element !== undefined; element = reader.poll()) {
            if (element.kind === 'watermark' && element.timestamp !== next) return fail(element)
            if (element.kind === 'end-of-partition') return parentPort.postMessage(next)
            if (element.kind === 'records') for (const { key, value } of element.values) if (value !== next || key !== 'k' + (next++ % 1000)) return fail(element)
          }
        }
        own.listen(consume, clock)
        consume()
      }`
    const { createRing } = await import('../channel/ring-layout.ts')
    const records = 400_000
    // Bounded by bytes, by records, and by both.
    const sizes = [
      { bytes: 1 << 18, capacity: 2048 },
      { bytes: 1 << 18, capacity: 100 },
      { bytes: 1 << 14, capacity: 1 },
      { bytes: 4096, capacity: 1000 },
      { bytes: 512, capacity: 2048 },
    ]
    for (const [index, { bytes, capacity }] of sizes.entries()) {
      const shared = {
        ring: createRing(bytes, capacity),
        doorbells: [createDoorbell(1), createDoorbell(1)],
        records,
        seed: index + 1,
      }
      const workers = [
        await startWorker(source, { ...shared, role: 0 }),
        await startWorker(source, { ...shared, role: 1 }),
      ]
      const answers = workers.map(
        (worker) =>
          new Promise<unknown>((resolve, reject) => {
            worker.once('message', resolve)
            worker.once('error', reject)
          }),
      )
      expect(await Promise.all(answers)).toEqual(['sent', records])
      await Promise.all(workers.map((worker) => worker.terminate()))
    }
  })
})
