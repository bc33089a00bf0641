import type { Clock, Random } from '../../core/clock.ts'
import { toErrorInfo } from '../../core/errors.ts'
import type { FileSystem } from '../../core/file-system.ts'
import { type Attempt, type Epoch, type OperatorId, type RunId, type TaskId, taskId } from '../../core/ids.ts'
import type { BuiltJob } from '../../core/job.ts'
import type { ResolvedOptions } from '../../core/options.ts'
import type { ChannelReader, ChannelWriter } from '../../core/channel.ts'
import { LocalChannel } from '../channel/local-channel.ts'
import type { TaskCheckpointStorage } from '../checkpoint/contract.ts'
import { type ExecutionGraph, type VertexEdge } from '../deploy/execution-graph.ts'
import { channelId } from '../deploy/placement.ts'
import { openTask, type TaskHostServices } from '../task/open-task.ts'
import { ResourcePool } from '../task/resource-pool.ts'
import { barrierOf, type TaskMessage } from '../task/task-contract.ts'
import type { Task } from '../task/task.ts'
import { type FromTaskHost, isEndOfTask, type TaskDeployment, type ToTaskHost } from './protocol.ts'
import { Scheduler } from './scheduler.ts'

export interface TaskHostOptions {
  readonly job: BuiltJob
  readonly graph: ExecutionGraph
  readonly options: ResolvedOptions
  readonly run: RunId
  readonly epoch: Epoch
  readonly clock: Clock
  readonly files: FileSystem
  readonly storageOf: (attempt: Attempt) => TaskCheckpointStorage
  readonly secret: (name: string) => string
  /** Tells the job master. Messages of one host arrive in order. */
  readonly send: (message: FromTaskHost) => void
  /** Where some of the job's tasks are in other hosts; absent when all are in this one. */
  readonly remote?: RemoteEnds
  /** For the simulator: which runnable task is next, and one step per turn. */
  readonly scheduling?: { readonly random: Random; readonly stepsPerTurn: number }
}

/** This host's ends of the channels that cross to other hosts. */
export interface RemoteEnds {
  /** Whether the tasks with this subtask number are in this host. */
  isHere(subtask: number): boolean
  /** `operator`: who sends, for errors. `onRoom` is called when a writer that was full has room again. */
  writer(channel: string, operator: string, onRoom: () => void): ChannelWriter
  /** `onData` is called when something has come. */
  reader(channel: string, onData: () => void): ChannelReader
  /** Delivers at once what other threads have told: between two steps, so that it need not wait for the end of the turn. */
  poll?(): void
  /** The attempt has ended here. */
  close(): void
}

/** A slice of the event loop: see promise 8. */
const SLICE_MS = 8

export interface OperatorCounts {
  recordsIn: number
  recordsOut: number
  skipped: number
  deadLetters: number
}

/** What tasks have counted in this host, over all attempts. */
export interface HostMetrics {
  readonly operators: ReadonlyMap<OperatorId, Readonly<OperatorCounts>>
  readonly sourceRecords: number
  /** Share of time in which a task's outputs were full, the highest of all tasks, since the last call. */
  readonly backPressure: number
}

/** Runs tasks in one thread: what Flink calls a TaskManager. Talks to the job master only by messages. */
export class TaskHost {
  private readonly options: TaskHostOptions
  private readonly scheduler: Scheduler
  private attempt: Attempt | null = null
  private tasks = new Map<TaskId, Task>()
  private opening = new Set<TaskId>()
  private channels = new Map<string, LocalChannel>()
  private resources: ResourcePool | null = null
  private deployments: readonly TaskDeployment[] = []
  private isCanceled = false
  private readonly counted = new Map<OperatorId, OperatorCounts>()
  private lastMetricsAt: number

  constructor(options: TaskHostOptions) {
    this.options = options
    const { clock, scheduling, remote } = options
    this.lastMetricsAt = clock.monotonic()
    this.scheduler = new Scheduler({
      clock,
      sliceMs: SLICE_MS,
      stepsPerTurn: scheduling?.stepsPerTurn ?? Number.POSITIVE_INFINITY,
      pick: scheduling === undefined ? () => 0 : (count) => Math.floor(scheduling.random.next() * count),
      ...(remote?.poll === undefined ? {} : { poll: () => remote.poll!() }),
    })
  }

  receive(message: ToTaskHost): void {
    if (message.kind === 'deploy') return this.deploy(message.attempt, message.tasks)
    if (message.attempt !== this.attempt) return
    switch (message.kind) {
      case 'start':
        return this.start()
      case 'trigger':
        return this.tell(message.task, { kind: 'trigger', barrier: barrierOf(message) })
      case 'complete':
      case 'committed':
      case 'aborted':
        for (const task of this.tasks.keys()) this.tell(task, { kind: message.kind, checkpoint: message.checkpoint })
        return
      case 'assign-splits':
        return this.tell(message.task, { kind: 'assign-splits', splits: message.splits })
      case 'no-more-splits':
        return this.tell(message.task, { kind: 'no-more-splits' })
      case 'release':
        return this.tell(message.task, { kind: 'release' })
      case 'cancel':
        return this.cancel()
    }
  }

  /** Counts so far; back pressure since the last call. */
  metrics(): HostMetrics {
    const now = this.options.clock.monotonic()
    const elapsed = Math.max(1, now - this.lastMetricsAt)
    this.lastMetricsAt = now
    let backPressure = 0
    for (const task of this.tasks.values())
      backPressure = Math.max(backPressure, Math.min(1, task.takeBlockedMs() / elapsed))
    const operators = new Map([...this.counted].map(([id, counts]) => [id, { ...counts }]))
    for (const task of this.tasks.values()) addCounts(operators, task)
    let sourceRecords = 0
    for (const operator of this.options.job.plan.operators) {
      if (operator.kind === 'source') sourceRecords += operators.get(operator.id)?.recordsIn ?? 0
    }
    return { operators, sourceRecords, backPressure }
  }

  private deploy(attempt: Attempt, deployments: readonly TaskDeployment[]): void {
    this.attempt = attempt
    this.deployments = deployments
    this.isCanceled = false
    this.tasks = new Map()
    this.channels = new Map()
    this.resources = new ResourcePool(this.options.secret)
    const services = this.services(attempt, this.resources)
    for (const deployment of deployments) {
      this.opening.add(deployment.task)
      openTask(services, deployment).then(
        (task) => this.onOpened(attempt, deployment, task),
        (error: unknown) => {
          this.opening.delete(deployment.task)
          const failed = { kind: 'failed', attempt, task: deployment.task, error: toErrorInfo(error) } as const
          void this.closeResourcesWhenLast().then(() => this.options.send(failed))
        },
      )
    }
  }

  private onOpened(attempt: Attempt, deployment: TaskDeployment, task: Task): void {
    this.opening.delete(deployment.task)
    this.tasks.set(deployment.task, task)
    this.scheduler.add(task)
    if (this.isCanceled) return task.cancel()
    this.options.send({ kind: 'ready', attempt, task: deployment.task })
  }

  private start(): void {
    for (const { task: id, restore } of this.deployments) {
      const task = this.tasks.get(id)
      if (restore?.isFinished === true) task?.startFinished()
      else task?.start()
    }
  }

  private cancel(): void {
    this.isCanceled = true
    for (const task of this.tasks.values()) task.cancel()
  }

  private tell(id: TaskId, message: TaskMessage): void {
    this.tasks.get(id)?.receive(message)
  }

  private services(attempt: Attempt, resources: ResourcePool): TaskHostServices {
    const { job, graph, options, run, epoch, clock, files, secret } = this.options
    return {
      job,
      graph,
      options,
      run,
      epoch,
      attempt,
      clock,
      files,
      secret,
      resources,
      storage: this.options.storageOf(attempt),
      send: (message) => this.onTaskMessage(message),
      wake: (task) => this.wake(task),
      channelTo: (edge, from, to) => this.channelTo(edge, from, to),
      channelFrom: (edge, from, to) => this.channelFrom(edge, from, to),
      countError: (operator, kind) => {
        const counts = this.countsOf(operator)
        if (kind === 'skipped') counts.skipped++
        else counts.deadLetters++
      },
    }
  }

  private channelTo(edge: VertexEdge, from: number, to: number): ChannelWriter {
    const { remote } = this.options
    if (remote === undefined || remote.isHere(to)) return this.localChannel(edge, from, to)
    return remote.writer(channelId(edge, from, to), edge.fromOperator, () => this.wake(taskId(edge.from, from)))
  }

  private channelFrom(edge: VertexEdge, from: number, to: number): ChannelReader {
    const { remote } = this.options
    if (remote === undefined || remote.isHere(from)) return this.localChannel(edge, from, to)
    return remote.reader(channelId(edge, from, to), () => this.wake(taskId(edge.to, to)))
  }

  private localChannel(edge: VertexEdge, from: number, to: number): LocalChannel {
    const id = channelId(edge, from, to)
    let channel = this.channels.get(id)
    if (channel === undefined) {
      const sender = taskId(edge.from, from)
      const receiver = taskId(edge.to, to)
      channel = new LocalChannel(
        this.options.options.channelCapacity,
        () => this.wake(receiver),
        () => this.wake(sender),
      )
      this.channels.set(id, channel)
    }
    return channel
  }

  private wake(id: TaskId): void {
    const task = this.tasks.get(id)
    if (task !== undefined) this.scheduler.wake(task)
  }

  private onTaskMessage(message: FromTaskHost): void {
    if (!isEndOfTask(message)) return this.options.send(message)
    const task = this.tasks.get(message.task)
    if (task !== undefined) {
      addCounts(this.counted, task)
      this.tasks.delete(message.task)
      this.scheduler.remove(task)
    }
    void this.closeResourcesWhenLast().then(() => this.options.send(message))
  }

  private async closeResourcesWhenLast(): Promise<void> {
    if (this.tasks.size > 0 || this.opening.size > 0) return
    const { resources } = this
    this.resources = null
    this.channels = new Map()
    this.options.remote?.close()
    try {
      await resources?.close()
    } catch {
      // Closing comes after everything that matters: a resource that cannot close cannot fail a job that has ended.
    }
  }

  private countsOf(operator: OperatorId) {
    let counts = this.counted.get(operator)
    if (counts === undefined) {
      counts = { recordsIn: 0, recordsOut: 0, skipped: 0, deadLetters: 0 }
      this.counted.set(operator, counts)
    }
    return counts
  }
}

function addCounts(into: Map<OperatorId, OperatorCounts>, task: Task): void {
  for (const node of task.operators) {
    const counts = into.get(node.id) ?? { recordsIn: 0, recordsOut: 0, skipped: 0, deadLetters: 0 }
    counts.recordsIn += node.recordsIn
    counts.recordsOut += node.recordsOut
    into.set(node.id, counts)
  }
}
