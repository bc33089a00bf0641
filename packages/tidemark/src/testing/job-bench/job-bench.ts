import { TidemarkError } from '../../core/errors.ts'
import type { JobDefinition } from '../../core/job.ts'
import type { JobEvent, RunOptions } from '../../runtime/job/contract.ts'
import { JobMaster } from '../../runtime/job/job-master.ts'
import { MemoryFileSystem } from '../simulator/memory-file-system.ts'
import { SeededRandom } from '../simulator/seeded-random.ts'
import { ManualClock } from '../test-job/manual-clock.ts'

/** Where the bench's jobs keep their checkpoints. */
export const CHECKPOINTS = '/checkpoints'
const MOST_TURNS = 300_000

let hosts = 1

/** From now on benches place tasks on so many task hosts with rings between them, as on worker threads. For a file that runs the tests of other files so. */
export function placeOnHosts(count: number): void {
  hosts = count
}

/** On how many hosts the tasks of a job with this parallelism are. */
export function hostsAt(parallelism: number): number {
  return Math.min(hosts, parallelism)
}

type EventOf<Kind extends JobEvent['kind']> = Extract<JobEvent, { readonly kind: Kind }>

/**
 * Runs whole jobs over a disk in memory and virtual time, one step of one task per turn in an order that a seed decides, so that checkpoints fall between records. The
 * disk outlives `kill`; time jumps to the next timer when nothing else is to be done.
 */
export class JobBench {
  readonly files = new MemoryFileSystem()
  clock = new ManualClock({ turnMs: TURN_MS })
  /** Of all starts. */
  readonly events: JobEvent[] = []
  private readonly random: SeededRandom
  private readonly locked = new Set<string>()

  constructor(seed = 1) {
    this.random = new SeededRandom(seed)
  }

  /** Starts a job as a new process would. */
  start(job: JobDefinition, options: RunOptions = {}): JobMaster {
    const { clock, random } = this
    const master = new JobMaster(
      job,
      { checkpointDir: CHECKPOINTS, checkpointInterval: 10, batchSize: 4, channelCapacity: 8, ...options },
      {
        clock,
        random,
        files: this.files.attach(),
        lock: (directory) => this.lock(directory),
        scheduling: { random, stepsPerTurn: 1 },
        messagesPerTurn: 1,
        localHosts: hosts,
      },
    )
    master.on((event) => this.events.push(event))
    return master
  }

  /** The process dies: nothing that it was doing happens any more. */
  kill(): void {
    const { clock } = this
    this.files.kill()
    clock.kill()
    this.locked.clear()
    this.clock = new ManualClock({ turnMs: TURN_MS, startMs: clock.monotonic() + 1000 })
  }

  /** Lets everything happen that happens by itself until the promise settles. */
  async drive<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settle = () => (isSettled = true)
    promise.then(settle, settle)
    await this.until(() => isSettled)
    return promise
  }

  /** Lets everything happen that happens by itself until the condition holds. */
  async until(condition: () => boolean): Promise<void> {
    let idleTurns = 0
    for (let turns = 0; !condition(); turns++) {
      if (turns > MOST_TURNS) throw new Error(`nothing came of it in ${MOST_TURNS} turns: ${this.told()}`)
      await this.clock.turn()
      // Work of the host (DNS, threads of the file system) would be waited for in real time; nothing here does any.
      idleTurns = this.clock.isBusy ? 0 : idleTurns + 1
      if (idleTurns > 2 && !condition() && !this.clock.jump()) throw new Error(`nothing moves any more: ${this.told()}`)
    }
  }

  /** Until nothing but time would change anything. */
  async rest(): Promise<void> {
    await this.clock.idle()
  }

  /** Until an event of this kind has come, beginning with those that nobody has asked for yet. */
  async next<Kind extends JobEvent['kind']>(
    kind: Kind,
    accept: (event: EventOf<Kind>) => boolean = () => true,
  ): Promise<EventOf<Kind>> {
    let from = this.seen
    let found: EventOf<Kind> | null = null
    await this.until(() => {
      for (; from < this.events.length && found === null; from++) {
        const event = this.events[from]!
        if (event.kind === kind && accept(event as EventOf<Kind>)) found = event as EventOf<Kind>
      }
      return found !== null
    })
    this.seen = from
    return found!
  }

  private seen = 0

  all<Kind extends JobEvent['kind']>(kind: Kind): readonly EventOf<Kind>[] {
    return this.events.filter((event): event is EventOf<Kind> => event.kind === kind)
  }

  /** Lines of all files that readers of an output directory see. */
  lines(directory: string): readonly string[] {
    return this.files
      .paths(directory)
      .filter((path) => !path.slice(directory.length).includes('/.'))
      .flatMap((path) => (this.files.text(path) ?? '').split('\n').filter((line) => line !== ''))
  }

  /** Files that have no place once a job has ended: written in part, pending, or of no checkpoint. */
  residue(): readonly string[] {
    return this.files.paths('/').filter((path) => /\.part(?:ial)?$|\.pending/u.test(path))
  }

  private async lock(directory: string): Promise<{ release(): void }> {
    if (this.locked.has(directory))
      throw new TidemarkError('JOB_LOCKED', `another process runs the job in ${directory}`)
    this.locked.add(directory)
    return { release: () => void this.locked.delete(directory) }
  }

  private told(): string {
    return this.events
      .slice(-8)
      .map((event) => JSON.stringify(event).slice(0, 300))
      .join('\n')
  }
}

/** So that checkpoints every 10 ms fall between some hundred steps. */
const TURN_MS = 0.1

/** The error that an action fails with. */
export async function failureOf(action: Promise<unknown>): Promise<TidemarkError> {
  try {
    await action
  } catch (error) {
    if (error instanceof TidemarkError) return error
    throw error
  }
  throw new Error('nothing failed')
}
