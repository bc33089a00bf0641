import type { Arrival, BarrierVector } from './barrier-vector.ts'

type InChannel = Exclude<Arrival, { kind: 'coordinator-abort' }>
interface Item {
  readonly index: number
  readonly arrival: InChannel
}

const SUBSUMED = 'CheckpointDeclineSubsumedException'
const CANCELLED = 'CheckpointDeclineOnCancellationBarrierException'

/**
 * The aligning handler of Flink 1.4 a second time: plain lists, every sum computed anew, nothing shared with the real one. An oracle for random
 * inputs. As `flink` it makes the wrong report and the odd metric of the original too.
 */
export function referenceBarrierBuffer(vector: BarrierVector, as: 'ours' | 'flink'): string[] {
  const effects: string[] = []
  const gate = itemsOf(vector)
  /** What was stored and handed over, the sequence to be read first at the front; it stays there until something is asked of it when empty. */
  let handedOver: { items: Item[]; readonly size: number }[] = []
  let stored: Item[] = []
  let waiting = new Set<number>()
  let current = -1
  let closed = 0
  let hasEnded = false

  const release = (): void => {
    waiting = new Set()
    if (stored.length > 0) handedOver = [{ items: stored, size: sizeOf(stored) }, ...handedOver]
    stored = []
  }
  const trigger = (id: number, own: number): void => {
    const bytes = as === 'flink' ? (handedOver[0]?.size ?? 0) : own
    effects.push(`TRIGGER ${id} buffered=${bytes}`)
  }
  const take = (): Item | undefined => {
    while (handedOver.length > 0) {
      const item = handedOver[0]!.items.shift()
      if (item !== undefined) return item
      handedOver = handedOver.slice(1)
    }
    return gate.shift()
  }
  const onBarrier = (id: number, channel: number): void => {
    if (vector.channels === 1) {
      if (id <= current) return
      current = id
      trigger(id, 0)
      return
    }
    if (id < current || (id === current && waiting.size === 0)) return
    if (id > current) {
      if (waiting.size > 0) effects.push(`ABORT ${current} ${SUBSUMED}`)
      release()
      current = id
    }
    waiting.add(channel)
    if (waiting.size + closed !== vector.channels) return
    const own = sizeOf(stored)
    release()
    trigger(id, own)
  }
  const onCancel = (id: number): void => {
    if (id < current || (id === current && (waiting.size === 0 || vector.channels === 1))) return
    if (id > current && waiting.size > 0) effects.push(`ABORT ${as === 'flink' ? id : current} ${SUBSUMED}`)
    release()
    current = id
    effects.push(`ABORT ${id} ${CANCELLED}`)
  }

  for (;;) {
    const item = take()
    if (item === undefined) {
      if (hasEnded) return effects
      hasEnded = true
      release()
      continue
    }
    const { index, arrival } = item
    if (waiting.has(arrival.channel)) {
      stored.push(item)
      const held = handedOver.slice(1).reduce((sum, { size }) => sum + size, sizeOf(stored))
      if (vector.maxBufferedBytes > 0 && held > vector.maxBufferedBytes) {
        release()
        effects.push(`ABORT ${current} AlignmentLimitExceededException`)
      }
    } else if (arrival.kind === 'data') {
      effects.push(`OUT ${index} ch${arrival.channel}`)
    } else if (arrival.kind === 'barrier') {
      if (!hasEnded) onBarrier(arrival.id, arrival.channel)
    } else if (arrival.kind === 'cancel') {
      onCancel(arrival.id)
    } else {
      closed++
      if (waiting.size > 0) effects.push(`ABORT ${current} InputEndOfStreamException`)
      release()
      effects.push(`OUT EOP ch${arrival.channel}`)
    }
  }
}

/** The counting handler of Flink 1.4 a second time: it keeps a count for every id it ever saw, aborted ones too. */
export function referenceBarrierTracker(vector: BarrierVector): string[] {
  const effects: string[] = []
  let pending: { readonly id: number; count: number; isAborted: boolean }[] = []
  let latest = -1
  for (const { index, arrival } of itemsOf(vector)) {
    if (arrival.kind === 'data') {
      effects.push(`OUT ${index} ch${arrival.channel}`)
    } else if (arrival.kind === 'end') {
      effects.push(`OUT EOP ch${arrival.channel}`)
    } else if (vector.channels === 1) {
      effects.push(arrival.kind === 'barrier' ? `TRIGGER ${arrival.id} buffered=0` : `ABORT ${arrival.id} ${CANCELLED}`)
    } else {
      const { id } = arrival
      const isCancel = arrival.kind === 'cancel'
      if (isCancel) {
        for (const older of pending)
          if (older.id < id && !older.isAborted) effects.push(`ABORT ${older.id} ${CANCELLED}`)
        pending = pending.filter((each) => each.id >= id)
      }
      let entry = pending.find((each) => each.id === id)
      if (entry === undefined) {
        if (id <= latest) continue
        latest = id
        entry = { id, count: 0, isAborted: false }
        pending = [...pending, entry].slice(-50)
      }
      if (isCancel && !entry.isAborted) {
        entry.isAborted = true
        effects.push(`ABORT ${id} ${CANCELLED}`)
      }
      entry.count++
      if (entry.count !== vector.channels) continue
      pending = pending.filter((each) => each.id > id)
      if (!entry.isAborted) effects.push(`TRIGGER ${id} buffered=0`)
    }
  }
  return effects
}

function itemsOf({ arrivals }: BarrierVector): Item[] {
  return arrivals.flatMap((arrival, index) => (arrival.kind === 'coordinator-abort' ? [] : [{ index, arrival }]))
}

function sizeOf(items: readonly Item[]): number {
  const PAYLOAD = { barrier: 24, cancel: 12, end: 4 }
  return items.reduce(
    (sum, { arrival }) => sum + 9 + (arrival.kind === 'data' ? arrival.bytes : PAYLOAD[arrival.kind]),
    0,
  )
}
