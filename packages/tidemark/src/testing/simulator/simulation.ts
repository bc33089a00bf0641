import type { JobEvent, JobHandle, JobResult, RunOptions } from '../../runtime/job/contract.ts'
import { verifyCheckpointDirectory } from '../checkers/checkpoint-directory.ts'
import { BitRot } from './bit-rot.ts'
import { Chaos } from './chaos.ts'
import type { FileFault, FileOperation } from './memory-file-system.ts'
import { seedOptions } from './seed-options.ts'
import { SeededRandom } from './seeded-random.ts'
import { SimulatedMachine } from './simulated-machine.ts'
import { SimulatedWorld } from './simulated-world.ts'
import type { Scenario, SeedOptions, SeedReport, SimulatedJob } from './simulation-contract.ts'
import { stillFileSystem } from './still-file-system.ts'
import { describeStall } from './stall.ts'
import { bugIn, describeError, isExpectedError, isLockedError, namesDamage, withoutStack } from './told-errors.ts'

/** Steps in which a job has to finish once nothing fails any more. */
const CALM_STEPS = 60_000
/** Steps after which nothing fails any more, whatever the seed had in mind. */
const STORMY_STEPS = 30_000
/** Steps in which a process that has ended must fall silent. */
const SILENCE_STEPS = 2_000

/** Runs a job through everything that one seed has in mind for it. The same seed does the same every time. */
export async function simulateSeed(job: SimulatedJob, options: SeedOptions): Promise<SeedReport> {
  return new Simulation(job, options).run()
}

interface Process {
  readonly handle: JobHandle
  readonly number: number
  /** Its first attempt has begun. */
  hasStarted: boolean
  outcome: { readonly result: JobResult } | { readonly error: unknown } | null
}

class Simulation {
  private readonly job: SimulatedJob
  private readonly seed: number
  private readonly log: ((line: string) => void) | null
  private readonly random: SeededRandom
  private readonly chaos: Chaos
  private readonly machine: SimulatedMachine
  private readonly world: SimulatedWorld
  private readonly scenario: Scenario
  private readonly runOptions: RunOptions
  private readonly isRescaling: boolean
  private readonly triggerShare: number
  private readonly intruderShare: number
  private readonly rotShare: number
  private readonly rotRandom: SeededRandom
  private steps = 0
  private calmSince: number | null = null
  private processes = 0
  private restores = 0
  private checkpoints = 0
  private failedCheckpoints = 0
  private attempts = 0
  private main: Process | null = null
  private intruder: Process | null = null
  /** While it is there, no process may start from the newest checkpoint. */
  private rot: BitRot | null = null
  private isPowerFailing = false
  private isOver = false
  private isTidy = true
  /** The newest checkpoint that was called complete: it may be replaced by newer ones, never disappear. */
  private newestComplete: { readonly run: string; readonly checkpoint: number } | null = null

  constructor(job: SimulatedJob, { seed, log, isCalm = false, localHosts = hostsOf(seed) }: SeedOptions) {
    this.job = job
    this.seed = seed
    this.log = log ?? null
    const random = new SeededRandom(seed)
    this.random = random.fork()
    this.chaos = new Chaos(random.fork())
    if (isCalm) this.chaos.calm()
    const slow = random.fork()
    this.machine = new SimulatedMachine({
      random: random.fork(),
      localHosts,
      onOperation: (operation) => this.onOperation(operation),
      storageDelayMs: () =>
        this.chaos.slowShare > 0 && !this.chaos.isCalm && slow.chance(this.chaos.slowShare)
          ? slow.next() * this.chaos.slowMs
          : 0,
    })
    const mode = this.random.pick(job.modes ?? (['exactly-once', 'exactly-once', 'at-least-once'] as const))
    const checkpointDirectory = '/checkpoints'
    const world = { machine: this.machine, chaos: this.chaos, mode, checkpointDirectory, random: random.fork() }
    this.world = new SimulatedWorld({ ...world, log: log === undefined ? null : (line) => this.trace(line) })
    this.scenario = job.create(this.world)
    this.runOptions = { ...seedOptions(this.random, mode, checkpointDirectory), ...this.scenario.options }
    this.isRescaling = this.scenario.isRescalable !== false && this.random.chance(0.2)
    this.triggerShare = this.random.pick([0, 0, 0, 0.002, 0.02])
    this.intruderShare = this.random.pick([0, 0, 0, 0.002])
    this.rotRandom = random.fork()
    this.rotShare = this.rotRandom.pick([0, 0, 0, 0.3])
    this.trace(`options ${JSON.stringify(this.runOptions)}`)
  }

  async run(): Promise<SeedReport> {
    while (!this.isOver && this.world.violation === null) {
      this.main ??= this.startMain()
      await this.turn()
    }
    if (this.world.violation === null) await this.atEnd()
    return this.report()
  }

  private async turn(): Promise<void> {
    this.interfere()
    if (this.main === null) return this.atRest('killed')
    const hasWorked = await this.machine.step()
    this.steps++
    if (this.isPowerFailing) {
      this.isPowerFailing = false
      this.die()
      return this.atRest('lost power in an operation')
    }
    if (this.intruder?.outcome !== null) this.onIntruderEnd()
    if (this.main.outcome !== null && this.intruder !== null && isLocked(this.main)) {
      // The second process has overtaken the first one.
      this.main = this.intruder
      this.intruder = null
    }
    if (this.main.outcome !== null) return this.onEnd(this.main)
    if (!hasWorked)
      return this.world.violate('progress', `nothing is left to do, but the job has not ended: ${this.stall()}`)
    this.watchProgress()
  }

  /** Once all is calm the job has so many steps to finish. */
  private watchProgress(): void {
    if (!this.chaos.isCalm && this.steps > STORMY_STEPS) this.chaos.calm()
    if (!this.chaos.isCalm) return
    if (this.calmSince === null) {
      this.trace('from now on nothing fails')
      this.calmSince = this.steps
      // Work takes no time any more, so that no timeout can be too short.
      this.machine.clock.turnMs = 0.01
    }
    if (this.steps - this.calmSince > CALM_STEPS) {
      this.world.violate('progress', `not finished ${CALM_STEPS} steps after the last fault: ${this.stall()}`)
    }
  }

  private startMain(): Process {
    if (!this.chaos.isCalm && this.rotShare > 0 && this.rotRandom.chance(this.rotShare)) {
      this.rot = BitRot.strike(this.machine.disk, this.world.checkpointDirectory, this.rotRandom)
      if (this.rot !== null) this.trace(`a bit of ${this.rot.file} flips`)
    }
    return this.start()
  }

  private start(): Process {
    const rescaled = this.isRescaling ? { parallelism: this.random.integer(1, 3) } : {}
    const options = { ...this.runOptions, ...rescaled }
    const number = ++this.processes
    this.trace(`process ${number} starts, parallelism ${options.parallelism}`)
    const handle = this.machine.start(this.scenario.definition, options)
    const process: Process = { handle, number, hasStarted: false, outcome: null }
    handle.on((event) => this.onEvent(process, event))
    handle.result.then(
      (result) => (process.outcome = { result }),
      (error: unknown) => (process.outcome = { error }),
    )
    return process
  }

  /** What people and fate do to a process between two steps. */
  private interfere(): void {
    const main = this.main!
    const fate = this.chaos.betweenSteps()
    if (fate === 'kill') {
      this.trace('KILL')
      this.machine.kill()
      this.die()
    } else if (fate === 'power-failure') {
      this.trace('POWER FAILURE')
      this.machine.crash()
      this.die()
    } else if (fate === 'suspend') {
      this.trace('SUSPEND')
      main.handle.stop().catch(() => undefined)
    }
    if (this.main === null) return
    if (this.triggerShare > 0 && !this.chaos.isCalm && this.random.chance(this.triggerShare)) {
      this.trace('a user asks for a checkpoint')
      main.handle.triggerCheckpoint().catch(() => undefined)
    }
    if (
      this.intruderShare > 0 &&
      !this.chaos.isCalm &&
      this.intruder === null &&
      this.random.chance(this.intruderShare)
    )
      this.intruder = this.start()
  }

  private die(): void {
    this.main = null
    this.intruder = null
    this.world.open.clear()
    if (this.rot === null) return
    this.world.expectNone('checkpoints are complete or do not exist', this.rot.damageDone)
    this.rot.heal()
    this.rot = null
  }

  private onOperation(operation: FileOperation): FileFault | undefined {
    const fault = this.chaos.inOperation(operation)
    if (this.log !== null) {
      const { kind, path, to } = operation
      const what = `${kind} ${path}${to === undefined ? '' : ` → ${to}`}`
      this.trace(fault === undefined ? what : `${what} ✗ ${fault instanceof Error ? fault.message : fault}`)
    }
    if (fault !== 'power-failure') return fault
    this.machine.crash()
    this.isPowerFailing = true
    return undefined
  }

  /** Has come in and not ended. */
  private isRunning(process: Process | null): boolean {
    return process !== null && process.outcome === null && process.hasStarted
  }

  private onEvent(process: Process, event: JobEvent): void {
    if (this.log !== null) this.trace(`process ${process.number} ${JSON.stringify(event, withoutStack)}`)
    if (process === this.intruder && event.kind === 'started' && this.isRunning(this.main)) {
      this.world.violate('one process, one attempt', 'a second process runs the job while the first one lives')
    }
    switch (event.kind) {
      case 'started':
        process.hasStarted = true
        this.attempts++
        if (this.rot !== null)
          this.world.violate(
            'checkpoints are complete or do not exist',
            `${this.rot.file} is damaged, but a job started`,
          )
        if (event.from.kind === 'restored') this.restores++
        if (event.from.kind === 'fresh' && this.newestComplete?.run === event.run)
          this.world.violate(
            'state exactly once',
            `checkpoint ${this.newestComplete.checkpoint} was forgotten: a fresh start`,
          )
        return
      case 'checkpoint-completed': {
        this.checkpoints++
        this.chaos.checkpointCompleted()
        const run = /\/run-([^/]+)\//.exec(event.path)![1]!
        this.newestComplete = { run, checkpoint: event.checkpoint }
        return
      }
      case 'checkpoint-failed':
        this.failedCheckpoints++
        return
      case 'attempt-failed': {
        const bug = bugIn(event.error)
        if (bug !== null)
          this.world.violate('errors are told', `${bug} came out of the engine: ${JSON.stringify(event.error)}`)
        return
      }
      case 'warning':
        // The engine says that it could not tidy up: then it need not be tidy.
        if (/(no longer needed could not be removed|held could not be closed)/.test(event.message)) this.isTidy = false
        return
      case 'status':
      case 'checkpoint-triggered':
      case 'checkpoint-committed':
        return
    }
  }

  /** A process has ended by itself. */
  private async onEnd(process: Process): Promise<void> {
    this.main = null
    const outcome = process.outcome!
    if (this.intruder === null) await this.becomeSilent()
    else {
      // A second process waits at the door, or has come in already: it is killed, so that there is one at a time again.
      this.machine.kill()
      this.isTidy = false
    }
    if ('result' in outcome) {
      this.trace(`process ${process.number} ended: ${outcome.result.status}`)
      if (outcome.result.status === 'finished') this.isOver = true
    } else {
      this.trace(`process ${process.number} failed: ${String(outcome.error)}`)
      this.onRejected(outcome.error)
    }
    this.die()
    await this.atRest('ended')
  }

  private onRejected(error: unknown): void {
    if (!isExpectedError(error) && !(this.rot !== null && namesDamage(error, this.rot.file)))
      this.world.violate('errors are told', `the job failed for good with ${describeError(error)}`)
  }

  /** A process that has ended asks for nothing, writes nothing and holds nothing. */
  private async becomeSilent(): Promise<void> {
    for (let steps = 0; this.machine.clock.waiting.ready + this.machine.clock.waiting.timers > 0; steps++) {
      if (steps > SILENCE_STEPS) {
        return this.world.violate('nothing is left behind', `a process that has ended goes on: ${this.stall()}`)
      }
      await this.machine.step()
      if (this.isPowerFailing) {
        this.isPowerFailing = false
        this.isTidy = false
        return
      }
    }
    for (const [what, count] of this.world.open) {
      this.world.violate('nothing is left behind', `${count} × ${what} not closed by a process that has ended`)
    }
  }

  private onIntruderEnd(): void {
    const outcome = this.intruder?.outcome ?? null
    if (outcome === null) return
    this.intruder = null
    if ('result' in outcome) return
    if (!isLockedError(outcome.error)) this.onRejected(outcome.error)
  }

  /** No process lives: what can be seen from outside must be right. */
  private async atRest(why: string): Promise<void> {
    this.trace(`at rest: ${why}`)
    const recorded = this.recordedStatus()
    if (!this.isOver && recorded === 'finished') {
      // Killed between the last word of the job and the end of its process: everything had been put away.
      this.trace('the job had finished')
      this.isOver = true
    }
    // From its durable end on, a job removes its checkpoints: the next process goes on with that.
    if (recorded === 'finishing') this.newestComplete = null
    await this.checkCheckpoints()
    if (this.world.violation === null) this.scenario.checkAtRest?.()
  }

  private recordedStatus(): string | undefined {
    const record = this.machine.disk.text(`${this.world.checkpointDirectory}/job.json`) ?? ''
    return /"status":"(\w+)"/.exec(record)?.[1]
  }

  private async checkCheckpoints(): Promise<void> {
    const files = stillFileSystem(this.machine.disk)
    try {
      const found = await verifyCheckpointDirectory(files, this.world.checkpointDirectory)
      const newest = this.newestComplete
      if (newest === null || this.isOver) return
      const last = found.get(newest.run)?.at(-1)?.checkpoint ?? 0
      if (last < newest.checkpoint) {
        const what = `checkpoint ${newest.checkpoint} was complete, now the newest one is ${last}`
        this.world.violate('checkpoints are complete or do not exist', what)
      }
    } catch (error) {
      this.world.violate('checkpoints are complete or do not exist', describeError(error))
    }
  }

  private async atEnd(): Promise<void> {
    const left = this.machine.disk.allPaths(this.world.checkpointDirectory)
    const unexpected = left.filter((path) => !/^\/checkpoints\/(job\.json)?$/.test(path))
    if (unexpected.length > 0 && this.isTidy) {
      this.world.violate('nothing is left behind', `in the checkpoint directory: ${unexpected.join(', ')}`)
    }
    this.scenario.checkAtEnd(this.isTidy)
  }

  private stall(): string {
    return `${JSON.stringify(this.machine.clock.waiting)} ${this.main === null ? '' : describeStall(this.main.handle)}`
  }

  private trace(line: string): void {
    this.log?.(`${String(this.steps).padStart(6)} ${this.machine.clock.monotonic().toFixed(2).padStart(9)} ${line}`)
  }

  private report(): SeedReport {
    return {
      seed: this.seed,
      job: this.job.name,
      hash: this.machine.clock.trace,
      steps: this.steps,
      processes: this.processes,
      attempts: this.attempts,
      restores: this.restores,
      checkpoints: this.checkpoints,
      failedCheckpoints: this.failedCheckpoints,
      faults: this.chaos.counts,
      violation: this.world.violation,
    }
  }
}

function isLocked({ outcome }: Process): boolean {
  return outcome !== null && 'error' in outcome && isLockedError(outcome.error)
}

/** Two of three seeds have several task hosts, with rings between them. Not drawn: what a seed decides besides stays as it was. */
function hostsOf(seed: number): number {
  return 1 + (Math.floor(seed / 10) % 3)
}
