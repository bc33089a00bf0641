/** A thread of the test of rings: sends records and barriers into a ring, or takes them out of two and aligns them. */
import { parentPort, workerData } from 'node:worker_threads'
import type { ChannelReader } from '../../packages/tidemark/src/core/channel.ts'
import {
  ALIGNED_CHECKPOINT,
  END_OF_PARTITION,
  recordBatch,
  type StreamElement,
} from '../../packages/tidemark/src/core/element.ts'
import { checkpointId } from '../../packages/tidemark/src/core/ids.ts'
import { WORD } from '../../packages/tidemark/src/runtime/channel/ring-layout.ts'
import { ChannelInputGate } from '../../packages/tidemark/src/runtime/input/channel-input-gate.ts'
import { createBarrierHandler } from '../../packages/tidemark/src/runtime/input/create-barrier-handler.ts'
import { systemClock } from '../../packages/tidemark/src/runtime/job/system-clock.ts'
import { type SharedChannels, ThreadChannels } from '../../packages/tidemark/src/runtime/worker/remote-channels.ts'
import { SeededRandom } from '../../packages/tidemark/src/testing/simulator/seeded-random.ts'

export interface RingPeerOrder {
  readonly worker: number
  readonly channels: SharedChannels
  /** Of each producer. */
  readonly records: number
  /** Records between barriers: of producer 0 exactly, of producer 1 in the mean. */
  readonly interval: number
  readonly capacity: number
  readonly largestBatch: number
  readonly seed: number
}

/** What the consumer has seen. */
export interface RingReport {
  readonly taken: readonly number[]
  readonly triggers: number
  readonly aborts: number
  /** Records that had no business where they came: beside the order of their channel, or on the wrong side of a snapshot. */
  readonly misplaced: readonly string[]
  /** The most records that were on the way in one ring. */
  readonly mostOnTheWay: number
  readonly leftInRings: number
}

const CONSUMER = 2
/** A record says which it is in its channel, and how many barriers its channel has had before it. */
type Value = readonly [index: number, barriers: number]

const order = workerData as RingPeerOrder
const own = order.channels.ends[order.worker]!
const channels = new ThreadChannels({
  worker: order.worker,
  workers: order.channels.ends.length,
  channels: own,
  doorbells: order.channels.doorbells,
  clock: systemClock,
  isDevelopment: false,
})
// What keeps a worker alive while it sleeps.
parentPort!.on('message', () => {})

function produce(): void {
  const random = new SeededRandom(order.seed + order.worker)
  const isRegular = order.worker === 0
  let sent = 0
  let barriers = 0
  let sinceBarrier = 0
  let hasEnded = false
  const next = (): StreamElement | null => {
    if (sent === order.records) {
      if (hasEnded) return null
      hasEnded = true
      return END_OF_PARTITION
    }
    const isDue = isRegular ? sinceBarrier >= order.interval : sinceBarrier > 0 && random.chance(chanceOf(sinceBarrier))
    if (isDue) {
      sinceBarrier = 0
      return { kind: 'barrier', checkpoint: checkpointId(++barriers), timestamp: 0, options: ALIGNED_CHECKPOINT }
    }
    const size = Math.min(random.integer(1, order.largestBatch), order.records - sent)
    const values = Array.from({ length: size }, (_, index): Value => [sent + index, barriers])
    sent += size
    if (isRegular) sinceBarrier += size
    else sinceBarrier = size
    return recordBatch(values)
  }
  // After each batch, so that barriers come once per interval in the mean.
  const chanceOf = (size: number) => size / order.interval
  let waiting = next()
  const writer = channels.writer(own[0]!.id, 'producer', () => push())
  const push = (): void => {
    while (waiting !== null && writer.offer(waiting)) waiting = next()
    if (waiting === null) parentPort!.postMessage('sent')
  }
  push()
}

function consume(): void {
  const words = own.map(({ ring }) => new Int32Array(ring))
  const onTheWay = () => words.map((word) => (word[WORD.recordsWritten]! - word[WORD.recordsTaken]!) | 0)
  const readers: readonly ChannelReader[] = own.map(({ id }) => channels.reader(id, () => pull()))
  const handler = createBarrierHandler('exactly-once', {
    gate: new ChannelInputGate(readers),
    monotonic: () => performance.now(),
  })
  const taken = own.map(() => 0)
  const misplaced: string[] = []
  let [triggers, aborts, mostOnTheWay, isOver] = [0, 0, 0, false]
  handler.registerCheckpointEventHandler({
    onTrigger({ checkpoint }) {
      if (checkpoint !== ++triggers) misplaced.push(`trigger ${checkpoint} as number ${triggers}`)
    },
    onAbort() {
      aborts++
    },
  })
  const pull = (): void => {
    if (isOver) return
    mostOnTheWay = Math.max(mostOnTheWay, ...onTheWay())
    for (let next = handler.getNextNonBlocked(); next !== undefined; next = handler.getNextNonBlocked()) {
      if (next === null) return report()
      if (next.element.kind !== 'records') continue
      for (const [index, barriers] of next.element.values as readonly Value[]) {
        // Exactly the records before the barriers of the snapshots that were taken have come out.
        if (index !== taken[next.channel] || barriers !== triggers)
          misplaced.push(
            `${index} after ${taken[next.channel]} of channel ${next.channel}, ${barriers} barriers, ${triggers} triggers`,
          )
        taken[next.channel] = index + 1
      }
    }
  }
  const report = (): void => {
    isOver = true
    const leftInRings = onTheWay().reduce((sum, count) => sum + count, 0)
    const all: RingReport = { taken, triggers, aborts, misplaced: misplaced.slice(0, 5), mostOnTheWay, leftInRings }
    parentPort!.postMessage(all)
  }
  pull()
}

if (order.worker === CONSUMER) consume()
else produce()
