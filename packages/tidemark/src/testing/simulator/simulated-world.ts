import type { CheckpointMode } from '../../core/options.ts'
import type { Chaos } from './chaos.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedMachine } from './simulated-machine.ts'
import { type PromiseName, Violation } from './violation.ts'

/** What a simulated job and the outside systems around it see of their seed. Lives through crashes: it is the outside world. */
export class SimulatedWorld {
  readonly random: SeededRandom
  readonly machine: SimulatedMachine
  readonly chaos: Chaos
  readonly mode: CheckpointMode
  readonly checkpointDirectory: string
  /** Counts attempts of all processes: whatever was made for an earlier one must be silent. */
  attempts = 0
  /** The first promise that was broken. */
  violation: Violation | null = null
  /** Things that were opened and not closed, by name; emptied when the process dies. */
  readonly open = new Map<string, number>()
  private readonly log: ((line: string) => void) | null

  /** Called when an attempt begins: what was inside the job is gone. */
  readonly onAttempt: (() => void)[] = []

  constructor(options: {
    readonly random: SeededRandom
    readonly machine: SimulatedMachine
    readonly chaos: Chaos
    readonly mode: CheckpointMode
    readonly checkpointDirectory: string
    readonly log: ((line: string) => void) | null
  }) {
    this.random = options.random
    this.machine = options.machine
    this.chaos = options.chaos
    this.mode = options.mode
    this.checkpointDirectory = options.checkpointDirectory
    this.log = options.log
  }

  /** Ends the seed: what the engine promises did not hold. */
  violate(promise: PromiseName, what: string): void {
    this.trace(`VIOLATION ${promise}: ${what}`)
    this.violation ??= new Violation(promise, what)
  }

  /** For functions of the job: throws now and then. */
  disturb(where: string): void {
    if (!this.chaos.functionThrows()) return
    this.trace(`${where} throws`)
    throw new Error(`simulated failure in ${where}`)
  }

  /** A round trip to an outside system: takes a turn or several. Its answer may be a failure, before or after `effect` took place. */
  outside<T>(what: string, effect: () => T): Promise<T> {
    const { clock } = this.machine
    return new Promise((resolve, reject) => {
      const act = (): void => {
        const fails = this.chaos.outsideFails()
        const isDone = !fails || this.random.chance(0.5)
        try {
          if (fails) this.trace(`${what} fails ${isDone ? 'after' : 'before'} its effect`)
          const result = isDone ? effect() : undefined
          if (fails) reject(new Error(`simulated failure of ${what}`))
          else resolve(result as T)
        } catch (error) {
          reject(error)
        }
      }
      if (this.random.chance(0.2)) clock.schedule(this.random.next() * 10, act)
      else clock.defer(act)
    })
  }

  /** Sources call it when they are made for a new attempt. */
  beginAttempt(): void {
    this.attempts++
    for (const listener of this.onAttempt) listener()
  }

  /** Notes what a checker found; nothing when it found nothing. */
  expectNone(promise: PromiseName, problem: string | null): void {
    if (problem !== null) this.violate(promise, problem)
  }

  opened(what: string): void {
    this.open.set(what, (this.open.get(what) ?? 0) + 1)
  }

  closed(what: string): void {
    const left = (this.open.get(what) ?? 0) - 1
    if (left < 0) this.violate('nothing is left behind', `${what} was closed twice`)
    if (left === 0) this.open.delete(what)
    else this.open.set(what, left)
  }

  trace(line: string): void {
    this.log?.(line)
  }
}
