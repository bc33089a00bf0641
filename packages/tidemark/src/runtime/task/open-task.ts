import type { ChannelReader, ChannelWriter } from '../../core/channel.ts'
import type { Clock } from '../../core/clock.ts'
import { assert } from '../../core/errors.ts'
import type { FileSystem } from '../../core/file-system.ts'
import { type Attempt, type Epoch, type OperatorId, type RunId, type TaskId } from '../../core/ids.ts'
import type { BuiltJob } from '../../core/job.ts'
import { keyGroupRange, subtaskOfHash } from '../../core/key-group.ts'
import type { ResolvedOptions } from '../../core/options.ts'
import type { WriterContext } from '../../core/sink.ts'
import type { ReaderContext, SourceReader, Split } from '../../core/source.ts'
import { EdgeWriter, type Route } from '../channel/edge-writer.ts'
import type { TaskCheckpointStorage } from '../checkpoint/contract.ts'
import {
  type ChainedOperator,
  type ExecutionGraph,
  inputChannels,
  type Vertex,
  type VertexEdge,
} from '../deploy/execution-graph.ts'
import { ChannelInputGate } from '../input/channel-input-gate.ts'
import { createBarrierHandler } from '../input/create-barrier-handler.ts'
import { BatchCollector } from '../operator/batch-collector.ts'
import { Chain, type ChainTarget } from '../operator/chain.ts'
import type { OperatorContext } from '../operator/contract.ts'
import { createOperator, statesOf } from '../operator/create-operator.ts'
import { createHeapKeyedStateBackend } from '../state/heap-keyed-state-backend.ts'
import type { KeyedStateBackend } from '../state/contract.ts'
import { matchTaskState } from '../state/state-compatibility.ts'
import { readListItems } from '../state/write-list-snapshot.ts'
import type { FromTaskHost, OperatorRestore, TaskDeployment } from '../worker/protocol.ts'
import { ChannelTaskInput } from './channel-task-input.ts'
import type { ResourcePool } from './resource-pool.ts'
import { SourceTaskInput, SPLITS } from './source-task-input.ts'
import { Task } from './task.ts'

/** What a task needs of the thread that hosts it. */
export interface TaskHostServices {
  readonly job: BuiltJob
  readonly graph: ExecutionGraph
  readonly options: ResolvedOptions
  readonly run: RunId
  readonly epoch: Epoch
  readonly attempt: Attempt
  readonly clock: Clock
  readonly files: FileSystem
  readonly storage: TaskCheckpointStorage
  readonly resources: ResourcePool
  readonly secret: (name: string) => string
  readonly send: (message: FromTaskHost) => void
  readonly wake: (task: TaskId) => void
  /** The sending end of the channel of `edge` between two tasks. */
  readonly channelTo: (edge: VertexEdge, from: number, to: number) => ChannelWriter
  /** The receiving end. */
  readonly channelFrom: (edge: VertexEdge, from: number, to: number) => ChannelReader
  readonly countError: (operator: OperatorId, kind: 'skipped' | 'dead-letter') => void
}

/** Makes a task from its deployment: restores its state, opens its operators and resources. Throws what the user or the world did wrong. */
export async function openTask(services: TaskHostServices, deployment: TaskDeployment): Promise<Task> {
  const vertex = services.graph.vertices.find((candidate) => candidate.id === deployment.vertex)!
  const builder = new TaskBuilder(services, deployment, vertex)
  return deployment.restore?.isFinished === true ? builder.finished() : builder.open()
}

class TaskBuilder {
  private readonly services: TaskHostServices
  private readonly deployment: TaskDeployment
  private readonly vertex: Vertex
  private task: Task | null = null
  private reader: SourceReader<unknown> | null = null

  constructor(services: TaskHostServices, deployment: TaskDeployment, vertex: Vertex) {
    this.services = services
    this.deployment = deployment
    this.vertex = vertex
  }

  finished(): Task {
    const writers = this.makeWriters()
    const chain = new Chain([], [...writers.values()])
    const task = this.makeTask(chain)
    task.attachInput(this.makeChannelInput(task, chain))
    return task
  }

  async open(): Promise<Task> {
    const writers = this.makeWriters()
    const collectors = this.vertex.operators.map((chained) => this.makeCollectors(chained))
    const restored = await Promise.all(this.vertex.operators.map((chained) => this.restore(chained)))
    const parts = []
    for (const [index, chained] of this.vertex.operators.entries()) {
      const context = await this.makeContext(chained, collectors[index]!, restored[index]!)
      const operator = createOperator(this.services.job, chained.operator, context, () =>
        this.writerContext(chained.operator.id),
      )
      parts.push({
        id: chained.operator.id,
        operator,
        keyedState: restored[index]!.keyedState,
        outputs: collectors[index]!,
        targets: chained.targets.map((targets) => targets.map((target) => toChainTarget(target, writers))),
      })
    }
    const chain = new Chain(parts, [...writers.values()])
    const task = this.makeTask(chain)
    this.task = task
    try {
      await this.openInput(task, chain, collectors[0]!, restored[0]!)
      for (const node of chain.nodes) await node.operator.open?.()
    } catch (error) {
      // The caller reports it; what was opened has to be closed.
      await closeQuietly([this.reader, ...chain.nodes.map(({ operator }) => operator)])
      throw error
    }
    return task
  }

  private makeTask(chain: Chain): Task {
    const { clock, storage, attempt, options, send, wake } = this.services
    const { task, vertex, subtask, restore } = this.deployment
    return new Task(
      { task, vertex, subtask, attempt, clock, storage, batchSize: options.batchSize, send, wake: () => wake(task) },
      chain,
      restore?.watermark ?? null,
    )
  }

  private makeWriters(): ReadonlyMap<VertexEdge, EdgeWriter> {
    const writers = new Map<VertexEdge, EdgeWriter>()
    const { subtask } = this.deployment
    for (const edge of this.services.graph.edges) {
      if (edge.from !== this.vertex.id) continue
      const targets =
        edge.partitioning === 'forward' ? [subtask] : Array.from({ length: edge.toParallelism }, (_, to) => to)
      const channels = targets.map((to) => this.services.channelTo(edge, subtask, to))
      writers.set(edge, new EdgeWriter(channels, this.partitioner(edge), this.services.options.batchSize))
    }
    return writers
  }

  private partitioner(edge: VertexEdge): Route | null {
    const { toParallelism } = edge
    switch (edge.partitioning) {
      case 'forward':
      case 'broadcast':
        return null
      case 'rebalance': {
        let next = this.deployment.subtask % toParallelism
        return () => {
          const channel = next
          next = channel + 1 === toParallelism ? 0 : channel + 1
          return channel
        }
      }
      case 'hash': {
        const keyOf = this.services.job.keys.get(edge.toOperator)![edge.input]!
        const { maxParallelism } = this.services.options
        if (toParallelism === 1) return () => 0
        return { keyOf, channelOfHash: subtaskOfHash(maxParallelism, toParallelism) }
      }
    }
  }

  private makeCollectors(chained: ChainedOperator): readonly BatchCollector[] {
    const { batchSize, development } = this.services.options
    return chained.targets.map(
      (targets) => new BatchCollector(chained.operator.id, batchSize, targets.length > 0, development),
    )
  }

  private async restore(chained: ChainedOperator): Promise<Restored> {
    const share = this.deployment.restore?.operators.find((candidate) => candidate.operator === chained.operator.id)
    const keyedState = this.makeBackend(chained)
    const lists = new Map<string, unknown[]>()
    if (share !== undefined) {
      if (keyedState !== null) await this.restoreKeyed(keyedState, share)
      for (const { snapshot, first, count } of share.lists) {
        const bytes = await this.services.storage.read(snapshot.handle)
        const items = readListItems(bytes, first, count, snapshot.codec)
        const states = statesOf(this.services.job, chained.operator)
        const name = snapshot.name === SPLITS ? SPLITS : matchTaskState(chained.operator.id, snapshot, states)
        const list = lists.get(name)
        if (list === undefined) lists.set(name, [...items])
        else list.push(...items)
      }
    }
    return { keyedState, lists }
  }

  private async restoreKeyed(backend: KeyedStateBackend, share: OperatorRestore): Promise<void> {
    const { maxParallelism } = this.services.options
    const range = keyGroupRange(maxParallelism, this.vertex.parallelism, this.deployment.subtask)
    for (const snapshot of share.keyed) {
      for (const block of snapshot.blocks) {
        if (block.keyGroup < range.start || block.keyGroup >= range.end) continue
        const bytes = await this.services.storage.readRange(snapshot.handle, block.offset, block.length, block.crc32c)
        backend.restoreBlock(block, bytes, snapshot.states)
      }
    }
  }

  private makeBackend(chained: ChainedOperator): KeyedStateBackend | null {
    if (!chained.operator.inputs.some((input) => input.kind === 'keyed')) return null
    const states = Object.fromEntries(
      Object.entries(statesOf(this.services.job, chained.operator)).filter(
        ([, descriptor]) => descriptor.kind !== 'broadcast',
      ),
    )
    if (Object.keys(states).length === 0 && chained.operator.kind !== 'process') return null
    const { maxParallelism, development } = this.services.options
    return createHeapKeyedStateBackend({
      operator: chained.operator.id,
      states,
      maxParallelism,
      keyGroups: keyGroupRange(maxParallelism, this.vertex.parallelism, this.deployment.subtask),
      isDevelopment: development,
    })
  }

  private async makeContext(
    chained: ChainedOperator,
    outputs: readonly BatchCollector[],
    restored: Restored,
  ): Promise<OperatorContext> {
    const { job, options, clock, resources } = this.services
    const { subtask } = this.deployment
    const operator = chained.operator.id
    const behaviour = job.behaviours.get(operator)!
    return {
      job: job.plan.job,
      operator,
      subtask,
      parallelism: this.vertex.parallelism,
      clock,
      outputs,
      keyedState: restored.keyedState,
      restoredList: (name) => restored.lists.get(name) ?? [],
      hasRestored: this.deployment.restore !== null,
      resources:
        behaviour.kind === 'process' ? await resources.open(behaviour.resources, this.deployment.task, subtask) : {},
      countError: (kind) => this.services.countError(operator, kind),
      isDevelopment: options.development,
    }
  }

  private async openInput(
    task: Task,
    chain: Chain,
    [records, deadLetters]: readonly BatchCollector[],
    restored: Restored,
  ): Promise<void> {
    const head = this.vertex.operators[0]!.operator
    const behaviour = this.services.job.behaviours.get(head.id)!
    if (behaviour.kind !== 'source') return task.attachInput(this.makeChannelInput(task, chain))
    assert(records !== undefined, 'a source has an output')
    const reader = behaviour.source.createReader(this.readerContext(head.id))
    this.reader = reader
    const input = new SourceTaskInput(reader, chain, {
      records,
      deadLetters: deadLetters ?? null,
      countRejected: () => this.services.countError(head.id, deadLetters === undefined ? 'skipped' : 'dead-letter'),
    })
    task.attachInput(input)
    await reader.open?.()
    const splits = restored.lists.get(SPLITS)
    if (splits !== undefined && splits.length > 0) reader.addSplits(splits as Split[])
  }

  private makeChannelInput(task: Task, chain: Chain): ChannelTaskInput {
    const { subtask, restore } = this.deployment
    const channels = inputChannels(this.vertex, subtask)
    const gate = new ChannelInputGate(channels.map(({ edge, from }) => this.services.channelFrom(edge, from, subtask)))
    const { clock, options } = this.services
    const handler = createBarrierHandler(options.checkpointMode, { gate, monotonic: () => clock.monotonic() })
    handler.registerCheckpointEventHandler(task)
    return new ChannelTaskInput(
      handler,
      chain,
      channels.map(({ edge }) => edge.input),
      restore?.watermark ?? null,
    )
  }

  private readerContext(operator: OperatorId): ReaderContext {
    const { job, clock, files, send, wake, secret, attempt } = this.services
    const { task, subtask } = this.deployment
    return {
      job: job.plan.job,
      operator,
      subtask,
      parallelism: this.vertex.parallelism,
      clock,
      files,
      secret,
      requestSplit: () => send({ kind: 'request-split', attempt, task, operator }),
      wake: () => wake(task),
      warn: (message) => send({ kind: 'warn', attempt, task, message }),
      fail: (error) => this.task?.fail(error),
    }
  }

  private writerContext(operator: OperatorId): WriterContext {
    const { job, run, epoch, attempt, clock, files, send, secret, wake } = this.services
    const { task, subtask } = this.deployment
    return {
      job: job.plan.job,
      operator,
      run,
      epoch,
      attempt,
      subtask,
      parallelism: this.vertex.parallelism,
      clock,
      files,
      secret,
      wake: () => wake(task),
      warn: (message) => send({ kind: 'warn', attempt, task, message }),
      fail: (error) => this.task?.fail(error),
    }
  }
}

interface Restored {
  readonly keyedState: KeyedStateBackend | null
  readonly lists: ReadonlyMap<string, readonly unknown[]>
}

function toChainTarget(
  target: ChainedOperator['targets'][number][number],
  writers: ReadonlyMap<VertexEdge, EdgeWriter>,
): ChainTarget {
  if (target.kind === 'edge') return { kind: 'edge', writer: writers.get(target.edge)! }
  return { kind: 'node', node: target.index, input: target.input }
}

async function closeQuietly(opened: readonly ({ close?(): void | Promise<void> } | null)[]): Promise<void> {
  for (const part of opened) {
    try {
      await part?.close?.()
    } catch {
      // The first error is the one that matters: it is being thrown.
    }
  }
}
