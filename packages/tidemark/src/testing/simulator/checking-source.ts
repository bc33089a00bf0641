import type { CheckpointId } from '../../core/ids.ts'
import {
  type EnumeratorContext,
  type PollResult,
  type ReaderContext,
  SOURCE,
  type Source,
  type SourceOutput,
  type SourceReader,
  type Split,
  type SplitEnumerator,
} from '../../core/source.ts'
import type { Sink } from '../../core/sink.ts'
import type { SimulatedWorld } from './simulated-world.ts'

/** Part of a simulated upstream system: records `next` … `end − 1` of partition `partition`. */
interface PartitionSplit extends Split {
  readonly partition: number
  readonly next: number
}

export interface CheckingSourceOptions<T> {
  /** The records of each partition. */
  readonly partitions: readonly (readonly T[])[]
  /** Called for every record that is emitted. */
  readonly onEmit?: (record: T) => void
  /** Records that the source cannot decode: it rejects them. Default: none. */
  readonly isBad?: (record: T) => boolean
  /** Takes the rejected records. */
  readonly deadLetters?: Sink<T>
}

/**
 * A source over an upstream system that forgets what was acknowledged to it, as a queue does. Watches that nothing is acknowledged before its
 * checkpoint is durable, that nothing acknowledged is needed again, that no partition is read by two readers or lost, and that readers of an
 * earlier attempt are silent. Partitions are discovered and handed out at moments that the seed chooses.
 */
export function checkingSource<T>(world: SimulatedWorld, name: string, options: CheckingSourceOptions<T>): Source<T> {
  const upstream: Upstream<T> = { world, name, ...options, acknowledged: new Map(), readBy: new Map() }
  return {
    [SOURCE]: {},
    kind: 'checking',
    isBounded: true,
    replay: 'exact',
    ...(options.deadLetters === undefined ? {} : { deadLetters: options.deadLetters }),
    createEnumerator: (context) => new CheckingEnumerator(upstream, context),
    createReader: (context) => new CheckingReader(upstream, context),
  }
}

interface Upstream<T> extends CheckingSourceOptions<T> {
  readonly world: SimulatedWorld
  readonly name: string
  /** Per partition: everything before is forgotten. */
  readonly acknowledged: Map<number, number>
  /** Who reads a partition, in the present attempt. */
  readonly readBy: Map<number, CheckingReader<T>>
}

class CheckingEnumerator<T> implements SplitEnumerator {
  private readonly upstream: Upstream<T>
  private readonly context: EnumeratorContext
  private undiscovered: readonly number[]
  private readonly asking = new Set<number>()

  constructor(upstream: Upstream<T>, context: EnumeratorContext) {
    this.upstream = upstream
    this.context = context
    // Enumerators are the first thing of an attempt: what was made before belongs to an earlier one.
    upstream.world.beginAttempt()
    upstream.readBy.clear()
    const restored = context.restored as { readonly undiscovered: readonly number[] } | undefined
    this.undiscovered = restored?.undiscovered ?? upstream.partitions.map((_, partition) => partition)
  }

  start(): Promise<void> {
    return this.upstream.world.outside(`discovery of ${this.upstream.name}`, () => undefined)
  }

  onSplitRequest(subtask: number): void {
    this.asking.add(subtask)
    const { clock } = this.context
    if (this.upstream.world.random.chance(0.5)) this.handOut()
    else clock.schedule(this.upstream.world.random.next() * 5, () => this.handOut())
  }

  snapshot(): unknown {
    return { undiscovered: this.undiscovered }
  }

  private handOut(): void {
    for (const subtask of this.asking) {
      const [partition, ...rest] = this.undiscovered
      this.asking.delete(subtask)
      if (partition === undefined) {
        this.context.noMoreSplits(subtask)
        continue
      }
      this.undiscovered = rest
      const split: PartitionSplit = { id: `partition ${partition}`, partition, next: 0 }
      this.context.assign(subtask, [split])
    }
  }
}

class CheckingReader<T> implements SourceReader<T> {
  private readonly upstream: Upstream<T>
  private readonly context: ReaderContext
  private readonly attempt: number
  private splits: { readonly split: PartitionSplit; next: number }[] = []
  private readonly snapshots = new Map<CheckpointId, readonly PartitionSplit[]>()
  private hasMoreSplits = true
  private isClosed = false
  private polled: string[] = []

  constructor(upstream: Upstream<T>, context: ReaderContext) {
    this.upstream = upstream
    this.context = context
    this.attempt = upstream.world.attempts
    upstream.world.opened(`reader of ${upstream.name}`)
  }

  async open(): Promise<void> {
    await this.upstream.world.outside(`opening ${this.upstream.name}`, () => undefined)
  }

  addSplits(splits: readonly Split[]): void {
    const { world, name, acknowledged, readBy } = this.upstream
    for (const split of splits as readonly PartitionSplit[]) {
      const { partition, next } = split
      const reader = readBy.get(partition)
      if (reader !== undefined) world.violate('state exactly once', `${name} partition ${partition} is read twice`)
      readBy.set(partition, this)
      const forgotten = acknowledged.get(partition) ?? 0
      if (next < forgotten) {
        const what = `${name} partition ${partition} is read from ${next}, but everything before ${forgotten} was acknowledged`
        world.violate('acknowledged only when complete', what)
      }
      this.splits.push({ split, next })
    }
    this.context.wake()
  }

  noMoreSplits(): void {
    this.hasMoreSplits = false
    this.context.wake()
  }

  poll(output: SourceOutput<T>, max: number): PollResult {
    const { world, name, partitions, onEmit, isBad } = this.upstream
    if (this.isClosed || this.attempt !== world.attempts)
      world.violate('one process, one attempt', `${name} is polled in an attempt that is over`)
    world.disturb(`source ${name}`)
    this.polled = []
    if (world.random.chance(0.1)) return this.pause()
    for (let count = 0; count < max && this.splits.length > 0; count++) {
      const index = Math.floor(world.random.next() * this.splits.length)
      const chosen = this.splits[index]!
      const { partition } = chosen.split
      const records = partitions[partition]!
      if (chosen.next < records.length) {
        const record = records[chosen.next]!
        this.polled.push(`${partition}:${chosen.next++}`)
        onEmit?.(record)
        if (isBad?.(record) === true) output.reject(record)
        else output.emit(record)
      }
      if (chosen.next >= records.length) this.splits.splice(index, 1)
    }
    if (this.splits.length > 0) return 'more'
    if (!this.hasMoreSplits) return 'end'
    this.context.requestSplit()
    return 'nothing-now'
  }

  describePosition(index: number): string {
    return this.polled[index] ?? 'nowhere'
  }

  snapshot(checkpoint: CheckpointId): readonly Split[] {
    const splits = this.splits.map(({ split, next }) => ({ ...split, next }))
    this.snapshots.set(checkpoint, splits)
    return splits
  }

  notifyComplete(checkpoint: CheckpointId): void {
    const { world, name, acknowledged } = this.upstream
    // A newer one may have replaced it already.
    if (durableManifests(world).every((path) => checkpointOf(path) < checkpoint)) {
      const what = `${name} hears that checkpoint ${checkpoint} is complete, but its manifest is not durable`
      world.violate('acknowledged only when complete', what)
    }
    for (const { partition, next } of this.snapshots.get(checkpoint) ?? []) {
      acknowledged.set(partition, Math.max(next, acknowledged.get(partition) ?? 0))
    }
    for (const id of this.snapshots.keys()) if (id <= checkpoint) this.snapshots.delete(id)
  }

  async close(): Promise<void> {
    this.isClosed = true
    await this.upstream.world.outside(`closing ${this.upstream.name}`, () => undefined).catch(() => undefined)
    this.upstream.world.closed(`reader of ${this.upstream.name}`)
  }

  private pause(): PollResult {
    const { clock, wake } = this.context
    clock.schedule(this.upstream.world.random.next() * 4, wake)
    return 'nothing-now'
  }
}

/** Paths of manifests that a power failure could not take away. */
export function durableManifests(world: SimulatedWorld): readonly string[] {
  const { disk } = world.machine
  return disk.paths(world.checkpointDirectory).filter((path) => path.endsWith('/manifest') && disk.isDurable(path))
}

function checkpointOf(manifest: string): number {
  return Number(/\/chk-(\d+)\/manifest$/.exec(manifest)?.[1])
}
