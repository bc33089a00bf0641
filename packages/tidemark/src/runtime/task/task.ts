import { type CheckpointBarrier, END_OF_PARTITION } from '../../core/element.ts'
import { toErrorInfo } from '../../core/errors.ts'
import type { CheckpointId } from '../../core/ids.ts'
import type { PreparedCommittable, TaskSnapshot } from '../../core/manifest.ts'
import type { AbortReason, AlignmentMetrics, CheckpointListener } from '../input/contract.ts'
import type { Chain } from '../operator/chain.ts'
import { type SnapshotPart, SnapshotWriter } from './snapshot-writer.ts'
import type { TaskEnvironment, TaskMessage, TaskPhase } from './task-contract.ts'
import { TaskSnapshots } from './task-snapshots.ts'
import { SourceTaskInput } from './source-task-input.ts'
import type { TaskInput } from './task-input.ts'

interface Control {
  readonly barrier: CheckpointBarrier | null
  readonly metrics: AlignmentMetrics
  readonly abort: { readonly checkpoint: CheckpointId; readonly reason: AbortReason } | null
}

const NO_COMMITTABLES: Promise<readonly PreparedCommittable[]> = Promise.resolve([])
const NO_ALIGNMENT: AlignmentMetrics = { alignmentMs: 0, bytesBuffered: 0 }
/** A chunk of records is made so large that its processing takes about this long. */
const CHUNK_MS = 1
/** Partly filled batches leave at the latest after this, also under load. */
const FLUSH_MS = 10

/**
 * One parallel instance of a chain: takes records from its input, moves them through the chain, takes snapshots at barriers. Cooperative: `step` does a bounded amount of work
 * and says whether there was any; it never waits. Everything happens between two records.
 */
export class Task implements CheckpointListener {
  readonly environment: TaskEnvironment
  private readonly chain: Chain
  private input: TaskInput | null = null
  private phaseNow: TaskPhase = 'waiting'
  private readonly mailbox: TaskMessage[] = []
  private readonly controls: Control[] = []
  private readonly snapshots = new TaskSnapshots()
  private lastCheckpoint = 0
  private readonly aborted = new Set<CheckpointId>()
  private watermark: number | null
  private chunk: number
  private lastFlush = 0
  private blockedSince: number | null = null
  private blockedMs = 0
  private isFlushed = false
  private isEnding = false

  constructor(environment: TaskEnvironment, chain: Chain, watermark: number | null) {
    this.environment = environment
    this.chain = chain
    this.watermark = watermark
    this.chunk = Math.min(64, environment.batchSize)
  }

  get phase(): TaskPhase {
    return this.phaseNow
  }

  get operators(): Chain['nodes'] {
    return this.chain.nodes
  }

  /** Milliseconds in which outputs were full, since the last call. */
  takeBlockedMs(): number {
    const now = this.environment.clock.monotonic()
    if (this.blockedSince !== null) {
      this.blockedMs += now - this.blockedSince
      this.blockedSince = now
    }
    const blocked = this.blockedMs
    this.blockedMs = 0
    return blocked
  }

  attachInput(input: TaskInput): void {
    this.input = input
  }

  start(): void {
    this.phaseNow = 'running'
    this.environment.wake()
  }

  /** A task that had finished before the checkpoint restored from: it only ends its outputs. */
  startFinished(): void {
    this.phaseNow = 'finishing'
    this.endOutputs(true, true)
    this.environment.wake()
  }

  receive(message: TaskMessage): void {
    if (message.kind === 'aborted') {
      this.aborted.add(message.checkpoint)
      this.input?.abort(message.checkpoint)
      this.snapshots.drop(message.checkpoint)
    }
    this.mailbox.push(message)
    this.environment.wake()
  }

  /** Does a bounded amount of work; false when there was nothing to do before the next wake. */
  step(): boolean {
    if (this.phaseNow === 'waiting' || this.phaseNow === 'closing' || this.phaseNow === 'closed') return false
    try {
      const hasWorked = this.work()
      if (!hasWorked) this.rest()
      return hasWorked
    } catch (error) {
      this.close({ kind: 'failed', error })
      return false
    }
  }

  cancel(): void {
    if (this.phaseNow !== 'closed') this.close({ kind: 'canceled' })
  }

  fail(error: unknown): void {
    this.close({ kind: 'failed', error })
  }

  onTrigger(barrier: CheckpointBarrier, metrics: AlignmentMetrics): void {
    this.controls.push({ barrier, metrics, abort: null })
  }

  onAbort(checkpoint: CheckpointId, reason: AbortReason): void {
    this.controls.push({ barrier: null, metrics: NO_ALIGNMENT, abort: { checkpoint, reason } })
  }

  private work(): boolean {
    const isDrained = this.chain.drainOutboxes()
    const hasWritten = this.snapshots.step((writer) => this.onSnapshotFailed(writer))
    if (!this.chain.isAtRest && !this.chain.run()) {
      this.noteBlocked(!isDrained || this.chain.isBlocked)
      return hasWritten
    }
    const control = this.controls.shift()
    if (control !== undefined) {
      this.control(control)
      return true
    }
    const message = this.mailbox.shift()
    if (message !== undefined) {
      this.handle(message)
      return true
    }
    if (this.chain.isBlocked) {
      this.noteBlocked(true)
      return hasWritten
    }
    this.noteBlocked(false)
    if (this.phaseNow === 'ending') return this.end() || hasWritten
    if (this.phaseNow === 'finishing') return hasWritten
    return this.advance() || hasWritten
  }

  private advance(): boolean {
    const { clock, batchSize } = this.environment
    const start = clock.monotonic()
    const progress = this.input!.advance(this.chunk)
    switch (progress.kind) {
      case 'worked': {
        const end = clock.monotonic()
        if (end - start > 2 * CHUNK_MS && this.chunk > 1) this.chunk = Math.max(1, this.chunk >> 1)
        else if (end - start < CHUNK_MS && this.chunk < batchSize) this.chunk = Math.min(batchSize, this.chunk * 2)
        if (end - this.lastFlush >= FLUSH_MS) {
          this.lastFlush = end
          this.chain.flush()
        }
        return true
      }
      case 'nothing-now':
        // A barrier may have been the last thing in the channels: nobody will wake the task to serve it.
        return this.controls.length > 0
      case 'watermark':
        this.advanceWatermark(progress.timestamp, () => {})
        return true
      case 'status':
        this.chain.broadcast(progress)
        return true
      case 'ended':
        this.onEnded(progress.drain)
        return true
    }
  }

  private advanceWatermark(timestamp: number, done: () => void): void {
    this.watermark = timestamp
    this.chain.startWalk(
      (node) => node.operator.onWatermark?.(timestamp),
      () => {
        this.chain.broadcast({ kind: 'watermark', timestamp })
        done()
      },
    )
  }

  /** End of bounded input, in the order that Flink pins: max watermark, end of data, finish. */
  private onEnded(drain: boolean): void {
    this.phaseNow = 'finishing'
    const finish = () => this.finishOperators(drain)
    if (this.input instanceof SourceTaskInput && drain) this.advanceWatermark(Number.POSITIVE_INFINITY, finish)
    else finish()
  }

  private finishOperators(drain: boolean): void {
    this.chain.startWalk(
      (node) => {
        if (!drain) return
        if (node.index > 0) node.operator.endInput?.(0)
        node.operator.finish?.()
      },
      () => this.endOutputs(drain, false),
    )
  }

  private endOutputs(drain: boolean, isRestored: boolean): void {
    const { send, attempt, task } = this.environment
    if (isRestored) this.chain.broadcast({ kind: 'watermark', timestamp: Number.POSITIVE_INFINITY })
    this.chain.broadcast({ kind: 'end-of-data', drain })
    if (isRestored) {
      this.chain.broadcast(END_OF_PARTITION)
      this.phaseNow = 'ending'
      this.isEnding = true
      return
    }
    this.phaseNow = 'data-finished'
    send({ kind: 'data-finished', attempt, task })
  }

  private control({ barrier, metrics, abort }: Control): void {
    const { send, attempt, task } = this.environment
    if (barrier !== null) return this.takeSnapshot(barrier, metrics)
    const { checkpoint, reason } = abort!
    this.chain.broadcast({ kind: 'cancel-checkpoint', checkpoint })
    if (reason !== 'aborted-by-coordinator') send({ kind: 'decline', attempt, task, checkpoint, reason, error: null })
  }

  private handle(message: TaskMessage): void {
    switch (message.kind) {
      case 'trigger':
        return this.takeSnapshot(message.barrier, NO_ALIGNMENT)
      case 'complete':
        this.input?.notifyComplete(message.checkpoint)
        for (const node of this.chain.nodes) node.operator.notifyComplete?.(message.checkpoint)
        return
      case 'committed':
        for (const node of this.chain.nodes) node.operator.notifyCommitted?.(message.checkpoint)
        return
      case 'aborted':
        for (const node of this.chain.nodes) node.operator.notifyAborted?.(message.checkpoint)
        return
      case 'assign-splits':
        ;(this.input as SourceTaskInput).assign(message.splits)
        return
      case 'no-more-splits':
        ;(this.input as SourceTaskInput).noMoreSplits()
        return
      case 'release':
        this.phaseNow = 'ending'
        return
    }
  }

  /** Between two records: what must be in front of the barrier leaves; then, at one moment, the barrier and the synchronous part of every snapshot. */
  private takeSnapshot(barrier: CheckpointBarrier, metrics: AlignmentMetrics): void {
    const { checkpoint } = barrier
    if (checkpoint <= this.lastCheckpoint || this.aborted.has(checkpoint)) return
    this.lastCheckpoint = checkpoint
    for (const id of this.aborted) if (id < checkpoint) this.aborted.delete(id)
    this.chain.startWalk(
      (node) => node.operator.prepareBarrier?.(checkpoint),
      () => this.snapshot(barrier, metrics),
    )
  }

  private snapshot(barrier: CheckpointBarrier, alignment: AlignmentMetrics): void {
    const { clock, task, vertex, subtask, attempt, storage, send, wake } = this.environment
    const { checkpoint } = barrier
    const start = clock.monotonic()
    const startDelayMs = Math.max(0, clock.now() - barrier.timestamp)
    this.chain.broadcast(barrier)
    const parts = this.chain.nodes.map(({ id, index, operator, keyedState }): SnapshotPart => {
      const keyed = keyedState?.snapshot() ?? null
      const { lists = [], committables = NO_COMMITTABLES } = operator.snapshot?.(checkpoint) ?? {}
      const splits = index === 0 ? this.input!.snapshot(checkpoint) : null
      return { operator: id, keyed, lists: splits === null ? lists : [splits, ...lists], committables }
    })
    const syncEnd = clock.monotonic()
    const isFinished = this.phaseNow === 'data-finished' || this.phaseNow === 'ending'
    // The end of time has no JSON: the greatest safe integer stands for it.
    const watermark = this.watermark === null ? null : Math.min(this.watermark, Number.MAX_SAFE_INTEGER)
    const acknowledge = (writer: SnapshotWriter) => {
      const { operators, files, bytes } = writer.snapshot
      const snapshot: TaskSnapshot = { vertex, subtask, isFinished, watermark, operators, files }
      const asyncMs = clock.monotonic() - syncEnd
      const timing = { startDelayMs, alignmentMs: alignment.alignmentMs, syncMs: syncEnd - start, asyncMs, bytes }
      send({ kind: 'acknowledge', attempt, task, checkpoint, snapshot, metrics: timing })
    }
    this.snapshots.add((buffer) => new SnapshotWriter(checkpoint, task, parts, storage, wake, buffer), acknowledge)
  }

  private onSnapshotFailed(writer: SnapshotWriter): void {
    const { error, isCommit } = writer.error!
    if (isCommit) throw error
    const { send, attempt, task } = this.environment
    send({
      kind: 'decline',
      attempt,
      task,
      checkpoint: writer.checkpoint,
      reason: 'snapshot-failed',
      error: toErrorInfo(error),
    })
  }

  /** Released: the last events leave, then the task goes. */
  private end(): boolean {
    if (!this.snapshots.isEmpty) return false
    if (!this.isFlushed) {
      this.isFlushed = true
      this.flushOperators()
      return false
    }
    if (!this.isEnding) return false
    if (!this.chain.drainOutboxes()) return false
    if (!this.input!.isExhausted) {
      // Takes away what the tasks before it still say: a channel that nobody reads would hold them up for ever.
      const progress = this.input!.advance(1)
      if (!this.input!.isExhausted) return progress.kind !== 'nothing-now'
    }
    this.close({ kind: 'finished' })
    return false
  }

  private flushOperators(): void {
    if (this.isEnding) return this.environment.wake()
    Promise.all(this.chain.nodes.map(async (node) => node.operator.flush?.())).then(
      () => {
        this.chain.broadcast(END_OF_PARTITION)
        this.isEnding = true
        this.environment.wake()
      },
      (error: unknown) => this.fail(error),
    )
  }

  private rest(): void {
    this.chain.flush()
  }

  private noteBlocked(isBlocked: boolean): void {
    const now = this.environment.clock.monotonic()
    if (this.blockedSince !== null) this.blockedMs += now - this.blockedSince
    this.blockedSince = isBlocked ? now : null
  }

  private close(how: { kind: 'finished' | 'canceled' } | { kind: 'failed'; error: unknown }): void {
    if (this.phaseNow === 'closing' || this.phaseNow === 'closed') return
    this.phaseNow = 'closing'
    this.snapshots.dropAll()
    void this.closeAll().then((closeError) => {
      const { send, attempt, task } = this.environment
      this.phaseNow = 'closed'
      if (how.kind === 'failed') send({ kind: 'failed', attempt, task, error: toErrorInfo(how.error) })
      else if (how.kind === 'finished' && closeError !== null)
        send({ kind: 'failed', attempt, task, error: toErrorInfo(closeError) })
      else send({ kind: how.kind, attempt, task })
    })
  }

  /** Closes everything, also when some of it fails; returns the first error. */
  private async closeAll(): Promise<Error | null> {
    let first: Error | null = null
    const closings = [() => this.input?.close(), ...this.chain.nodes.map((node) => () => closeNode(node))]
    for (const closing of closings) {
      try {
        await closing()
      } catch (error) {
        first ??= error instanceof Error ? error : new Error(String(error))
      }
    }
    await this.snapshots.released()
    return first
  }
}

async function closeNode({ operator, keyedState }: Chain['nodes'][number]): Promise<void> {
  keyedState?.close()
  await operator.close?.()
}
