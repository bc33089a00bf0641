import type { Job, Ports } from '../../api/define-job.ts'
import type { SourceHandle } from '../../api/stream.ts'
import { TidemarkError } from '../../core/errors.ts'
import { operatorId } from '../../core/ids.ts'
import type { Behaviour, BuiltJob, JobDefinition } from '../../core/job.ts'
import { RESOURCE } from '../../core/resource.ts'
import { exactlyOnceProblem } from '../checkers/exactly-once.ts'
import { checkingSink } from './checking-sink.ts'
import { checkingSource } from './checking-source.ts'
import { simulateSeed } from './simulation.ts'
import type { Scenario, SimulatedJob } from './simulation-contract.ts'
import type { SimulatedWorld } from './simulated-world.ts'

/** What came out of each sink of a job, by the sink's name, in the order of commits. */
export type SimulatedOutputs = ReadonlyMap<string, readonly unknown[]>

/** Options of `simulate`. */
export interface SimulateOptions<P> {
  /** Raw parameters, checked by the job's schema. */
  readonly params?: unknown
  /** The records of each source that the build function returned, by the name it was returned under. Other sources are empty. */
  readonly input: { readonly [Name in keyof P]?: P[Name] extends SourceHandle<infer T> ? readonly T[] : never }
  /** How many seeds: each is another order of everything, other options and other faults. */
  readonly seeds: number
  /** Default: 1. With `seeds: 1`: replays one. */
  readonly firstSeed?: number
  /** What takes the place of resources, by the resource's name. */
  readonly use?: Readonly<Record<string, unknown>>
  /**
   * Throws when the outputs are wrong. Default: they have to be those of a run without failures, in any order. A job whose results depend on the order in which
   * records of different sources or keys come needs its own.
   */
  readonly check?: (outputs: SimulatedOutputs) => void
  /** Called with a line for everything that happens. */
  readonly log?: (line: string) => void
}

/**
 * Runs a job in memory through crashes, power failures, failing storage and restarts, once per seed, and rejects with the first promise that did not hold:
 * the message names the seed, which replays exactly. Sources are replaced by their `input`, sinks by transactional ones; the functions, state and resources of the
 * job are its own. What it finds in a job: state outside of declared state, functions that depend on time or on anything else that differs when they run again.
 *
 * Modes, parallelism (1 to 3), channel capacities and checkpoint intervals come from the seed; the checkpoint mode is exactly-once. Not simulated: worker
 * threads, the connectors of the job, and asynchronous work that its functions do outside of the engine.
 */
export async function simulate<Params, P extends Ports | void>(
  job: Job<Params, P>,
  options: SimulateOptions<P>,
): Promise<void> {
  const { seeds, firstSeed = 1, log, params } = options
  const built = job.build(await job.resolveParams(params))
  const input = inputBySource(built, options.input)
  let expected: SimulatedOutputs | null = null
  const simulated: SimulatedJob = {
    name: job.name,
    modes: ['exactly-once'],
    create: (world) => scenario(job, options, input, world, (outputs) => check(outputs)),
  }
  const check = (outputs: SimulatedOutputs): void => {
    if (options.check !== undefined) return options.check(outputs)
    if (expected === null) {
      expected = new Map([...outputs].map(([sink, records]) => [sink, [...records]]))
      return
    }
    for (const [sink, records] of outputs) {
      const problem = exactlyOnceProblem(records, expected.get(sink) ?? [], render)
      if (problem !== null) throw new Error(`sink ${sink}: ${problem}`)
    }
  }
  if (options.check === undefined) await oneSeed(simulated, { seed: 0, isCalm: true })
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    await oneSeed(simulated, { seed, ...(log === undefined ? {} : { log }) })
  }
}

async function oneSeed(job: SimulatedJob, options: Parameters<typeof simulateSeed>[1]): Promise<void> {
  const { violation } = await simulateSeed(job, options)
  if (violation === null) return
  violation.message = `job ${job.name}, seed ${options.seed}: ${violation.message}`
  throw violation
}

function inputBySource(
  built: BuiltJob,
  input: Readonly<Record<string, unknown>>,
): ReadonlyMap<string, readonly unknown[]> {
  const bySource = new Map<string, readonly unknown[]>()
  for (const [port, records] of Object.entries(input)) {
    const operator = built.ports[port]?.operator
    if (operator === undefined || built.behaviours.get(operator)?.kind !== 'source') {
      throw new TidemarkError('INVALID_OPTION', `simulate() was given input for ${port}, which is no source`, {
        action: 'Return the source from the build function under this name.',
      })
    }
    bySource.set(operator, records as readonly unknown[])
  }
  return bySource
}

function scenario<P>(
  job: JobDefinition,
  options: SimulateOptions<P>,
  input: ReadonlyMap<string, readonly unknown[]>,
  world: SimulatedWorld,
  check: (outputs: SimulatedOutputs) => void,
): Scenario {
  const sinks = new Map<string, ReturnType<typeof checkingSink<unknown>>>()
  const sources = new Map<string, ReturnType<typeof checkingSource<unknown>>>()
  const standIn = (name: string, behaviour: Behaviour): Behaviour => {
    if (behaviour.kind === 'source') {
      const partitions = [input.get(name) ?? []]
      const source = sources.get(name) ?? checkingSource(world, name, { partitions })
      sources.set(name, source)
      return { kind: 'source', source }
    }
    if (behaviour.kind === 'sink') {
      const sink = sinks.get(name) ?? checkingSink<unknown>(world, name)
      sinks.set(name, sink)
      return { ...behaviour, sink: sink.sink }
    }
    return behaviour.kind === 'process'
      ? { ...behaviour, resources: fakes(behaviour.resources, options.use ?? {}) }
      : behaviour
  }
  const build = (params: unknown): BuiltJob => {
    const built = job.build(params)
    const behaviours = new Map([...built.behaviours].map(([id, behaviour]) => [operatorId(id), standIn(id, behaviour)]))
    const operators = built.plan.operators.map((operator) =>
      operator.kind === 'sink' ? { ...operator, connector: 'checking', delivery: 'exactly-once' as const } : operator,
    )
    return { ...built, plan: { ...built.plan, operators }, behaviours }
  }
  return {
    definition: { ...job, build },
    options: { params: options.params },
    checkAtEnd() {
      const outputs = new Map([...sinks].map(([name, { store }]) => [name, store.visible]))
      for (const { store } of sinks.values()) store.checkAtEnd()
      try {
        check(outputs)
      } catch (error) {
        world.violate('output exactly once', error instanceof Error ? error.message : String(error))
      }
    },
  }
}

function fakes<R extends Readonly<Record<string, { readonly name: string; readonly per: 'worker' | 'task' }>>>(
  resources: R,
  use: Readonly<Record<string, unknown>>,
): R {
  const replaced = Object.entries(resources).map(([alias, original]) => {
    const { name, per } = original
    return [alias, Object.hasOwn(use, name) ? { [RESOURCE]: {}, name, per, open: () => use[name] } : original]
  })
  return Object.fromEntries(replaced) as R
}

/** Records are data, but not all of it is JSON. */
function render(record: unknown): string {
  return (
    JSON.stringify(record, (_key, value: unknown) => {
      if (typeof value === 'bigint') return `${value}n`
      if (value instanceof Map) return ['Map', ...value]
      return value instanceof Set ? ['Set', ...value] : value
    }) ?? 'undefined'
  )
}
