import { writeSync } from 'node:fs'
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads'
import { type KillMoment, ORDER_VARIABLE, type ProcessOrder } from './kill-order.ts'

export const order = JSON.parse(process.env[ORDER_VARIABLE]!) as ProcessOrder
const { kill } = order

/** What all threads know of the way to the kill; workers that are started later have it from the main thread. */
const SHARED = 'tidemark-test.kill-switch'
const IS_ARMED = 0
const OCCURRENCES = 1
/** Output has been pre-committed for the checkpoint under way: it will have something to commit. */
const HAS_PRECOMMITTED = 2
/** Reads of the input that were asked for, and how many may begin. */
const READS_ASKED = 3
const READS_ALLOWED = 4
if (isMainThread) setEnvironmentData(SHARED, new SharedArrayBuffer(5 * Int32Array.BYTES_PER_ELEMENT))
const words = new Int32Array(getEnvironmentData(SHARED) as unknown as SharedArrayBuffer)
if (isMainThread) {
  words[READS_ALLOWED] = 1
  if (order.isDuringRecovery) words[IS_ARMED] = 1
}

/** Dies here, in whatever thread, if this is the moment. */
export function reach(isMoment: (at: KillMoment) => boolean): void {
  if (kill === null || Atomics.load(words, IS_ARMED) === 0) return
  if (kill.needsOutput && Atomics.load(words, HAS_PRECOMMITTED) === 0) return
  if (!isMoment(kill.at) || Atomics.add(words, OCCURRENCES, 1) + 1 < kill.occurrence) return
  tell({ kind: 'killing', name: kill.name, isInWorker: !isMainThread })
  process.kill(process.pid, 'SIGKILL')
  // The signal is on its way; nothing may happen meanwhile.
  for (;;);
}

export function tell(event: object): void {
  // Synchronously: what was told before the kill has been told.
  writeSync(1, `${JSON.stringify(event)}\n`)
}

export function onPrecommitted(): void {
  Atomics.store(words, HAS_PRECOMMITTED, 1)
}

/** What recovery has synced is of an earlier process. */
export function onStarted(): void {
  Atomics.store(words, HAS_PRECOMMITTED, 0)
}

export function onCheckpointCompleted(): void {
  Atomics.add(words, READS_ALLOWED, 1)
  Atomics.notify(words, READS_ALLOWED)
  if (!order.isDuringRecovery) Atomics.store(words, IS_ARMED, 1)
  reach((at) => at.kind === 'completed')
  Atomics.store(words, HAS_PRECOMMITTED, 0)
  // The second link is the second of one commit.
  if (kill?.at.kind === 'file' && kill.at.operation !== 'any') Atomics.store(words, OCCURRENCES, 0)
}

/** While there is a kill to come one read of the input is let through for every checkpoint, in whatever thread: so the job lasts as long as there are kills. */
export async function takeTurn(): Promise<void> {
  if (kill === null) return
  const turn = Atomics.add(words, READS_ASKED, 1)
  for (;;) {
    const allowed = Atomics.load(words, READS_ALLOWED)
    if (turn < allowed) return
    await Atomics.waitAsync(words, READS_ALLOWED, allowed).value
  }
}
