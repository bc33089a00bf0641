import { durationMs, type Duration } from '../../core/duration.ts'
import { TidemarkError } from '../../core/errors.ts'
import type { JobDefinition } from '../../core/job.ts'
import type { JobMetrics, JobStatus } from '../../runtime/job/contract.ts'
import { JobMaster } from '../../runtime/job/job-master.ts'
import { MemoryFileSystem } from '../simulator/memory-file-system.ts'
import { SeededRandom } from '../simulator/seeded-random.ts'
import type { OutputProbe, SourceProbe, TestOptions, TestRun } from './contract.ts'
import { ManualClock } from './manual-clock.ts'
import { StandIns } from './stand-ins.ts'

/** Checkpoints are taken when the test asks for them. */
const NEVER = '36500d'

/** The one implementation of TestRun: a job master in a process that can be killed. */
export class InMemoryRun implements TestRun<unknown> {
  at: Readonly<Record<string, never>> = {}
  private readonly definition: JobDefinition
  private readonly params: unknown
  private readonly options: TestOptions
  private readonly standIns: StandIns
  private readonly files = new MemoryFileSystem()
  private readonly random = new SeededRandom(1)
  private readonly outputs = new Map<string, CollectedOutput>()
  private clock = new ManualClock()
  private master: JobMaster | null = null
  private failure: { readonly error: unknown; isSeen: boolean } | null = null
  private committed = 0
  private onCommitted: () => void = () => {}
  private isDisposed = false

  constructor(definition: JobDefinition, params: unknown, options: TestOptions) {
    this.params = params
    this.options = options
    this.standIns = new StandIns(options.use ?? {})
    this.definition = {
      ...definition,
      build: (resolved) => {
        const built = definition.build(resolved)
        this.at = this.probes(Object.keys(built.ports), built.ports)
        return this.standIns.replaceIn(built)
      },
    }
  }

  get status(): JobStatus {
    return this.running.status
  }

  metrics(): JobMetrics {
    return this.running.metrics()
  }

  async start(): Promise<void> {
    const { parallelism, checkpointMode, secrets } = this.options
    const clock = this.clock
    const started = this.standIns.nextStart()
    const master = new JobMaster(
      this.definition,
      {
        params: this.params,
        checkpointDir: '/checkpoints',
        checkpointInterval: NEVER,
        checkpointTimeout: NEVER,
        restartStrategy: 'none',
        development: true,
        secrets: secrets ?? {},
        ...(parallelism === undefined ? {} : { parallelism }),
        ...(checkpointMode === undefined ? {} : { checkpointMode }),
      },
      {
        clock,
        random: this.random,
        files: this.files.attach(),
        lock: async () => ({ release() {} }),
        messagesPerTurn: Number.POSITIVE_INFINITY,
      },
    )
    this.master = master
    master.on((event) => {
      if (event.kind !== 'checkpoint-committed') return
      this.committed = event.checkpoint
      this.onCommitted()
    })
    master.result.catch((error: unknown) => {
      if (this.master === master) this.failure = { error, isSeen: false }
    })
    await Promise.race([started, ended(master)])
    await this.work()
  }

  source(name: string): SourceProbe<unknown> {
    const log = this.standIns.logs.get(name)
    if (log === undefined) throw unknownName('source', name, this.standIns.logs.keys())
    return {
      push: (...records) => log.push(records),
      reject: (...records) => log.push(records, true),
      end: () => log.end(),
    }
  }

  sink(name: string): OutputProbe<unknown> {
    return this.output(name)
  }

  settle(): Promise<void> {
    return this.checkpoint()
  }

  async checkpoint(): Promise<void> {
    await this.work()
    const { running } = this
    if (this.hasEnded) {
      await running.result
      return this.throwFailure()
    }
    try {
      const { checkpoint } = await running.triggerCheckpoint()
      const committed = new Promise<void>((resolve) => (this.onCommitted = resolve))
      if (this.committed < checkpoint) await Promise.race([committed, ended(running)])
    } catch (error) {
      // The job is failing: its own error says why.
      await ended(running)
      await this.clock.turn()
      this.throwFailure()
      throw error
    }
    await this.work()
  }

  async crash(): Promise<void> {
    await this.work()
    if (this.running.status === 'finished') {
      throw new TidemarkError('INVALID_OPTION', 'the job has finished: there is nothing left to crash', {
        action: 'Crash it before finish() and before its last source ends.',
      })
    }
    const { clock } = this
    this.master = null
    this.files.kill()
    clock.kill()
    this.clock = new ManualClock({ startMs: clock.monotonic() })
    await this.start()
  }

  async finish(): Promise<void> {
    for (const log of this.standIns.logs.values()) log.end()
    await this.settle()
  }

  async advance(duration: Duration): Promise<void> {
    await this.clock.advance(durationMs(duration, 'advance'))
    await this.work()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isDisposed) return
    this.isDisposed = true
    await this.clock.idle()
    const { running } = this
    void running.cancel().catch(() => {})
    await ended(running)
    await this.clock.turn()
    if (this.failure !== null && !this.failure.isSeen) this.throwFailure()
  }

  private get running(): JobMaster {
    return this.master!
  }

  private get hasEnded(): boolean {
    return [...this.standIns.logs.values()].every((log) => log.isEnded)
  }

  /** Everything that was pushed is processed. */
  private async work(): Promise<void> {
    await this.clock.idle()
    this.throwFailure()
  }

  private throwFailure(): void {
    if (this.failure === null) return
    this.failure.isSeen = true
    throw this.failure.error
  }

  /** Ports in the place of sources also show records: a port that is a source with keys is a stream to its user. */
  private probes(
    names: readonly string[],
    ports: Readonly<Record<string, { readonly operator: string }>>,
  ): Readonly<Record<string, never>> {
    const probes = names.map((name) => {
      const output = this.output(`@${name}`)
      const log = () => this.source(ports[name]!.operator)
      const probe = {
        push: (...records: readonly unknown[]) => log().push(...records),
        reject: (...records: readonly unknown[]) => log().reject(...records),
        end: () => log().end(),
        get records() {
          return output.records
        },
        take: () => output.take(),
      }
      return [name, probe] as const
    })
    return Object.freeze(Object.fromEntries(probes)) as Readonly<Record<string, never>>
  }

  private output(name: string): CollectedOutput {
    let output = this.outputs.get(name)
    if (output === undefined) {
      output = new CollectedOutput(name, this.standIns)
      this.outputs.set(name, output)
    }
    return output
  }
}

class CollectedOutput implements OutputProbe<unknown> {
  private readonly name: string
  private readonly standIns: StandIns
  private taken = 0

  constructor(name: string, standIns: StandIns) {
    this.name = name
    this.standIns = standIns
  }

  get records(): readonly unknown[] {
    const { collectors } = this.standIns
    const collector = collectors.get(this.name)
    if (collector === undefined) {
      const sinks = [...collectors.keys()].filter((name) => !name.startsWith('@'))
      throw unknownName('sink', this.name, sinks)
    }
    return collector.records.slice(this.taken)
  }

  take(): readonly unknown[] {
    const { records } = this
    this.taken += records.length
    return records
  }
}

/** However it ends. */
async function ended(master: JobMaster): Promise<void> {
  try {
    await master.result
  } catch {
    // Kept as the run's failure.
  }
}

function unknownName(what: string, name: string, known: Iterable<string>): TidemarkError {
  const names = [...known].map((other) => `'${other}'`).join(', ')
  return new TidemarkError('INVALID_OPTION', `the job has no ${what} '${name}'`, {
    action: names === '' ? `It has no ${what}s.` : `Its ${what}s are ${names}.`,
  })
}
