/// <reference lib="es2024.sharedmemory" />
import type { Cancel, Clock } from '../../core/clock.ts'
import { assert } from '../../core/errors.ts'

const STATE = 0
/** The bits begin in a cache line of their own. */
const FIRST_WORD = 16
const AWAKE = 0
const ASLEEP = 1
/** Turns of the event loop without news before the thread lies down: while news keep coming, nobody has to wake it. */
const QUIET_TURNS = 2

/** Memory of a doorbell with bits 0 … `bits` − 1. */
export function createDoorbell(bits: number): SharedArrayBuffer {
  return new SharedArrayBuffer((FIRST_WORD + Math.max(1, Math.ceil(bits / 32))) * Int32Array.BYTES_PER_ELEMENT)
}

/**
 * How other threads tell a thread that there is news for it, and for whom: one bit for each task or channel. Nothing is lost: every `ring` is followed by a call of the listener for its
 * bit; several rings before it may be answered by one call. The listening thread sleeps in its event loop, where `Atomics.waitAsync` alone does not keep it alive:
 * the owner holds something that does (a ref'd port).
 *
 * Protocol: ring sets the bit, then looks at the state. The listener writes "asleep" into the state, then looks at the bits once more, and only then waits for the state to change.
 * Both orders are of sequentially consistent accesses, so at least one side sees the other. Who turns "asleep" into "awake" (one compare-and-exchange, so only one) notifies.
 */
export class Doorbell {
  private readonly words: Int32Array<SharedArrayBuffer>
  private onRing: ((bit: number) => void) | null = null

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory)
  }

  /** From any thread. Costs one atomic operation when the bit is set already, a system call only when the listener sleeps. */
  ring(bit: number): void {
    const { words } = this
    const mask = 1 << (bit & 31)
    const word = FIRST_WORD + (bit >>> 5)
    assert(word < words.length, 'the doorbell has this bit')
    // Whoever set the bit before looks at the state as well.
    if ((Atomics.or(words, word, mask) & mask) === 0) this.wake()
  }

  /** Calls `onRing` in turns of the event loop of this thread, the only listener. What it throws goes to the event loop. */
  listen(onRing: (bit: number) => void, clock: Pick<Clock, 'defer'>): Cancel {
    this.onRing = onRing
    let quietTurns = 0
    let cancelTurn: Cancel
    const turn = (): void => {
      if (this.onRing === null) return
      quietTurns = this.hasNews() ? 0 : quietTurns + 1
      // The next turn is asked for first: the listener may throw.
      if (quietTurns <= QUIET_TURNS) cancelTurn = clock.defer(turn)
      else sleep()
      this.poll()
    }
    const onWoken = (): void => {
      quietTurns = 0
      if (this.onRing !== null) cancelTurn = clock.defer(turn)
    }
    const sleep = (): void => {
      Atomics.store(this.words, STATE, ASLEEP)
      if (this.hasNews()) this.wake()
      const waiting = Atomics.waitAsync(this.words, STATE, ASLEEP)
      if (waiting.async) void waiting.value.then(onWoken)
      else onWoken()
    }
    cancelTurn = clock.defer(turn)
    return () => {
      this.onRing = null
      cancelTurn()
      // Lets go of the promise that waits.
      this.wake()
    }
  }

  /**
   * In the listening thread: delivers at once what was rung. For a thread whose turns are long, between two steps of its work: it costs a read of memory that rarely
   * changes, and a neighbour that was just given room or data need not wait for the end of the turn.
   */
  poll(): void {
    const { words, onRing } = this
    if (onRing === null) return
    for (let word = FIRST_WORD; word < words.length; word++) {
      let bits = Atomics.load(words, word) === 0 ? 0 : Atomics.exchange(words, word, 0)
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits)
        bits &= bits - 1
        onRing((word - FIRST_WORD) * 32 + bit)
      }
    }
  }

  private wake(): void {
    const { words } = this
    if (Atomics.compareExchange(words, STATE, ASLEEP, AWAKE) === ASLEEP) Atomics.notify(words, STATE)
  }

  private hasNews(): boolean {
    const { words } = this
    for (let word = FIRST_WORD; word < words.length; word++) if (Atomics.load(words, word) !== 0) return true
    return false
  }
}
