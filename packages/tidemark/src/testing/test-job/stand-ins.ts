import { type Collector, collect } from '../../connectors/collect.ts'
import { TidemarkError } from '../../core/errors.ts'
import { type OperatorId, operatorId } from '../../core/ids.ts'
import type { Behaviour, BuiltJob, ProcessBehaviour } from '../../core/job.ts'
import type { PlanEdge, PlanOperator } from '../../core/plan.ts'
import { RESOURCE, type Resource } from '../../core/resource.ts'
import { PushLog, pushSource } from './push-source.ts'

/** What stands in for the outside world of a tested job, and outlives its crashes. */
export class StandIns {
  /** By the source's name. */
  readonly logs = new Map<string, PushLog>()
  /** By the sink's name, or `@` and the name of a port. */
  readonly collectors = new Map<string, Collector<unknown>>()
  private readonly fakes: Readonly<Record<string, unknown>>
  private started = 0
  private onAllStarted: () => void = () => {}

  constructor(fakes: Readonly<Record<string, unknown>>) {
    this.fakes = fakes
  }

  /** Resolves when the sources of the next start of the job are told to begin. */
  nextStart(): Promise<void> {
    this.started = 0
    return new Promise((resolve) => (this.onAllStarted = resolve))
  }

  /** The same job with sources to push into, collectors for sinks and at every port, and fakes for resources. */
  replaceIn(job: BuiltJob): BuiltJob {
    refuseUnknownFakes(job, this.fakes)
    const behaviours = new Map<OperatorId, Behaviour>()
    for (const [operator, behaviour] of job.behaviours) behaviours.set(operator, this.replace(operator, behaviour))
    const operators: PlanOperator[] = job.plan.operators.map((operator) =>
      operator.kind === 'sink' ? { ...operator, connector: 'collect', delivery: 'exactly-once' } : operator,
    )
    const edges: PlanEdge[] = [...job.plan.edges]
    const keys = new Map(job.keys)
    for (const [port, from] of Object.entries(job.ports)) {
      const probe = operatorId(`@${port}`)
      operators.push(probeOperator(probe))
      edges.push({ from, to: { operator: probe, input: 0 }, partitioning: 'forward' })
      behaviours.set(probe, { kind: 'sink', sink: this.collector(probe), onError: 'fail' })
      keys.set(probe, [null])
    }
    return { ...job, plan: { ...job.plan, operators, edges }, behaviours, keys }
  }

  private replace(operator: OperatorId, behaviour: Behaviour): Behaviour {
    if (behaviour.kind === 'sink') return { ...behaviour, sink: this.collector(operator) }
    if (behaviour.kind === 'process') return { ...behaviour, resources: this.replaceResources(behaviour) }
    if (behaviour.kind !== 'source') return behaviour
    return { kind: 'source', source: pushSource(this.log(operator), () => this.onSourceStarted()) }
  }

  private replaceResources({ resources }: ProcessBehaviour): Readonly<Record<string, Resource<unknown>>> {
    return Object.fromEntries(
      Object.entries(resources).map(([alias, original]) => {
        const { name, per } = original
        if (!Object.hasOwn(this.fakes, name)) return [alias, original]
        return [alias, { [RESOURCE]: {}, name, per, open: () => this.fakes[name] }]
      }),
    )
  }

  private log(name: string): PushLog {
    let log = this.logs.get(name)
    if (log === undefined) {
      log = new PushLog(name)
      this.logs.set(name, log)
    }
    return log
  }

  private collector(name: string): Collector<unknown> {
    let collector = this.collectors.get(name)
    if (collector === undefined) {
      collector = collect<unknown>()
      this.collectors.set(name, collector)
    }
    return collector
  }

  private onSourceStarted(): void {
    this.started++
    if (this.started === this.logs.size) this.onAllStarted()
  }
}

function probeOperator(id: OperatorId): PlanOperator {
  return {
    id,
    kind: 'sink',
    connector: 'collect',
    isNamed: false,
    parallelism: null,
    inputs: [{ name: 'in', kind: 'plain' }],
    outputs: [],
    states: [],
    delivery: 'exactly-once',
  }
}

function refuseUnknownFakes(job: BuiltJob, fakes: Readonly<Record<string, unknown>>): void {
  const names = new Set<string>()
  for (const behaviour of job.behaviours.values()) {
    if (behaviour.kind !== 'process') continue
    for (const { name } of Object.values(behaviour.resources)) names.add(name)
  }
  const unknown = Object.keys(fakes).find((name) => !names.has(name))
  if (unknown === undefined) return
  throw new TidemarkError('INVALID_OPTION', `use names '${unknown}', which is no resource of job '${job.plan.job}'`, {
    action:
      names.size === 0
        ? 'The job uses no resources.'
        : `Its resources are ${[...names].map((name) => `'${name}'`).join(', ')}.`,
    context: { job: job.plan.job },
  })
}
