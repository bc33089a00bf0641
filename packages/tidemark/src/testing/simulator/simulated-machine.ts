import { TidemarkError } from '../../core/errors.ts'
import type { RunOptions } from '../../runtime/job/contract.ts'
import type { JobDefinition } from '../../core/job.ts'
import type { JobEnvironment } from '../../runtime/job/environment.ts'
import { JobMaster } from '../../runtime/job/job-master.ts'
import { type FileFault, MemoryFileSystem, type FileOperation } from './memory-file-system.ts'
import type { SeededRandom } from './seeded-random.ts'
import { settled } from './settled.ts'
import { SimulatedClock } from './simulated-clock.ts'

export interface SimulatedMachineOptions {
  readonly random: SeededRandom
  /** Called for every effect on the disk just before it happens; may answer with a fault. */
  readonly onOperation?: (operation: FileOperation) => FileFault | undefined
  /** Virtual milliseconds that an operation on the disk waits besides its turn. Default: none. */
  readonly storageDelayMs?: () => number
  /** Into how many task hosts the tasks of a job are placed; 1 by default. */
  readonly localHosts?: number
}

/**
 * A computer in memory on which jobs run: a disk with the durability that POSIX promises, virtual time, locks that the kernel holds, and one
 * event loop whose every choice comes from a seed. Processes are killed and power fails only between two turns, or inside an effect on the disk.
 *
 * Nothing moves by itself: `step` runs one waiting callback and lets all promises settle.
 */
export class SimulatedMachine {
  readonly disk: MemoryFileSystem
  readonly clock: SimulatedClock
  private readonly random: SeededRandom
  private readonly schedulingRandom: SeededRandom
  private readonly localHosts: number
  private readonly crashRandom: SeededRandom
  private readonly locks = new Set<string>()

  constructor({ random, onOperation, storageDelayMs = () => 0, localHosts = 1 }: SimulatedMachineOptions) {
    this.localHosts = localHosts
    this.random = random.fork()
    this.schedulingRandom = random.fork()
    this.crashRandom = random.fork()
    const clock = new SimulatedClock(random.fork())
    this.clock = clock
    this.disk = new MemoryFileSystem({
      now: () => clock.now(),
      schedule: (step) => {
        const delayMs = storageDelayMs()
        if (delayMs > 0) clock.schedule(delayMs, step)
        else clock.defer(step)
      },
      ...(onOperation === undefined ? {} : { onOperation }),
    })
  }

  /** What a process that starts now has of the world: gone with it when it is killed or power fails. */
  environment(): JobEnvironment {
    const held = this.locks
    const clock = this.clock.attach()
    return {
      clock,
      random: this.random,
      files: this.disk.attach(),
      lock: (directory) =>
        new Promise((resolve, reject) => {
          clock.defer(() => {
            if (held.has(directory)) return reject(locked(directory))
            held.add(directory)
            resolve({ release: () => void held.delete(directory) })
          })
        }),
      messagesPerTurn: 1,
      scheduling: { random: this.schedulingRandom, stepsPerTurn: 1 },
      localHosts: this.localHosts,
    }
  }

  /** Starts a process that runs a job. */
  start(job: JobDefinition, options: RunOptions): JobMaster {
    return new JobMaster(job, options, this.environment())
  }

  /** One turn of the event loop, and everything that follows from it at once; false when nothing waits. */
  async step(): Promise<boolean> {
    // What was called from outside since the last turn may still have to ask for one.
    await settled()
    if (!this.clock.runNext()) return false
    await settled()
    return true
  }

  /** Every process is gone at once, as by SIGKILL. The disk shows what they did. */
  kill(): void {
    this.disk.kill()
    this.forget()
  }

  /** The power fails: every process is gone, and of what was not synced some is kept and some forgotten. */
  crash(): void {
    this.disk.crash(this.crashRandom)
    this.forget()
  }

  private forget(): void {
    this.locks.clear()
    this.clock.endProcess()
  }
}

function locked(directory: string): TidemarkError {
  return new TidemarkError('JOB_LOCKED', `another process runs the job in ${directory}`, {
    action: 'Wait until it has ended, or stop it.',
  })
}
