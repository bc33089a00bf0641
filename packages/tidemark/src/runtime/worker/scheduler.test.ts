import { describe, expect, it } from 'vitest'
import type { Clock } from '../../core/clock.ts'
import { type Runnable, Scheduler } from './scheduler.ts'

/** An event loop whose turns the test takes one by one, and whose time only work moves. */
class ManualLoop implements Clock {
  time = 0
  private readonly turns: (() => void)[] = []

  now(): number {
    return this.time
  }

  monotonic(): number {
    return this.time
  }

  schedule(): () => void {
    return () => {}
  }

  defer(callback: () => void): () => void {
    this.turns.push(callback)
    return () => {}
  }

  /** Runs the oldest turn; how long it took, or null when none is asked for. */
  turn(): number | null {
    const next = this.turns.shift()
    const start = this.time
    next?.()
    return next === undefined ? null : this.time - start
  }
}

const SLICE_MS = 8

function makeScheduler(loop: ManualLoop, stepsPerTurn = Number.POSITIVE_INFINITY): Scheduler {
  return new Scheduler({ clock: loop, sliceMs: SLICE_MS, stepsPerTurn, pick: () => 0 })
}

/** Has `steps` steps of `ms` each. */
function worker(loop: ManualLoop, log: string[], name: string, steps: number, ms: number): Runnable {
  let left = steps
  return {
    step() {
      if (left === 0) return false
      left--
      loop.time += ms
      log.push(name)
      return true
    },
  }
}

describe('the scheduler', () => {
  it('gives the event loop back after a slice, however much there is to do (promise 8)', () => {
    const loop = new ManualLoop()
    const scheduler = makeScheduler(loop)
    const busy = [0, 1, 2].map((index) => worker(loop, [], `task ${index}`, 1000, 1))
    for (const task of busy) scheduler.add(task)
    for (const task of busy) scheduler.wake(task)
    let othersHadTurns = 0
    for (let turns = 0; turns < 100; turns++) {
      loop.defer(() => othersHadTurns++)
      const took = loop.turn()!
      // A step under way is not interrupted.
      expect(took).toBeLessThanOrEqual(SLICE_MS + 1)
    }
    expect(othersHadTurns).toBeGreaterThanOrEqual(49)
  })

  it('lets everybody who has work take turns', () => {
    const loop = new ManualLoop()
    const log: string[] = []
    const scheduler = makeScheduler(loop)
    const tasks = ['a', 'b', 'c'].map((name) => worker(loop, log, name, 3, 0))
    for (const task of tasks) scheduler.add(task)
    for (const task of tasks) scheduler.wake(task)
    while (loop.turn() !== null);
    expect(log.join('')).toBe('abcabcabc')
  })

  it('asks for no turn while nobody has work, and for one when somebody is woken', () => {
    const loop = new ManualLoop()
    const log: string[] = []
    const scheduler = makeScheduler(loop)
    const task = worker(loop, log, 'a', 1, 0)
    scheduler.add(task)
    expect(loop.turn()).toBeNull()
    scheduler.wake(task)
    scheduler.wake(task)
    expect(loop.turn()).not.toBeNull()
    expect(loop.turn()).toBeNull()
    expect(log).toEqual(['a'])
  })

  it('steps nobody who was removed, and as few as it was told in one turn', () => {
    const loop = new ManualLoop()
    const log: string[] = []
    const scheduler = makeScheduler(loop, 1)
    const [kept, removed] = ['kept', 'removed'].map((name) => worker(loop, log, name, 2, 0))
    for (const task of [kept!, removed!]) {
      scheduler.add(task)
      scheduler.wake(task)
    }
    scheduler.remove(removed!)
    loop.turn()
    expect(log).toEqual(['kept'])
    while (loop.turn() !== null);
    expect(log).toEqual(['kept', 'kept'])
  })
})
