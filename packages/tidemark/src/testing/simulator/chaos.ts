import type { FileFault, FileOperation, FileOperationKind } from './memory-file-system.ts'
import type { SeededRandom } from './seeded-random.ts'

/** Everything bad that may happen. */
export type FaultKind =
  | 'kill'
  | 'power-failure'
  | 'power-failure-in-operation'
  | 'storage-error'
  | 'storage-torn'
  | 'function-throws'
  | 'outside-fails'
  | 'suspend'

/** Operations of which a real process dies in the middle of. */
const CRITICAL: ReadonlySet<FileOperationKind> = new Set<FileOperationKind>([
  'create',
  'sync',
  'rename',
  'link',
  'remove',
  'remove-tree',
  'sync-directory',
])

/**
 * What goes wrong in one seed. Each seed chooses for itself which faults there are at all and how often (a mix of everything all the time would hide
 * what needs one kind of fault and otherwise calm), and how many there are: when they are used up, nothing fails any more and the job has to come to
 * its end.
 */
export class Chaos {
  readonly counts = new Map<FaultKind, number>()
  /** Share of storage operations that wait, and how long at most. */
  readonly slowShare: number
  readonly slowMs: number
  private readonly random: SeededRandom
  private readonly perStep: ReadonlyMap<'kill' | 'power-failure' | 'suspend', number>
  private readonly storageShare: number
  private readonly tornShare: number
  private readonly storageKinds: ReadonlySet<FileOperationKind> | null
  private readonly inOperationShare: number
  private readonly functionShare: number
  private readonly outsideShare: number
  private left: number
  private isWaiting: boolean

  constructor(random: SeededRandom) {
    this.random = random
    const sometimes = (share: number, choose: () => number): number => (random.chance(share) ? choose() : 0)
    const rarely = (): number => 1 / random.pick([30, 100, 300, 1000])
    this.left = random.pick([0, 1, 1, 2, 3, 5, 8])
    this.isWaiting = random.chance(0.6)
    this.perStep = new Map([
      ['kill', sometimes(0.5, rarely)],
      ['power-failure', sometimes(0.5, rarely)],
      ['suspend', sometimes(0.25, () => rarely() / 2)],
    ])
    this.inOperationShare = sometimes(0.5, () => random.pick([0.01, 0.05, 0.2]))
    this.storageShare = sometimes(0.5, () => random.pick([0.005, 0.02, 0.1, 0.5]))
    this.tornShare = random.pick([0, 0.5, 1])
    this.storageKinds = random.chance(0.5)
      ? new Set([random.pick([...CRITICAL, 'write', 'read', 'stat', 'list'] as const)])
      : null
    this.functionShare = sometimes(0.3, () => random.pick([0.002, 0.01, 0.05]))
    this.outsideShare = sometimes(0.4, () => random.pick([0.01, 0.05, 0.3]))
    this.slowShare = sometimes(0.3, () => random.pick([0.02, 0.2]))
    this.slowMs = random.pick([5, 30, 100])
  }

  /** Nothing fails any more. */
  get isCalm(): boolean {
    return this.left === 0
  }

  /** A checkpoint is complete: seeds that want to see restores have waited for it. */
  checkpointCompleted(): void {
    this.isWaiting = false
  }

  /** From now on nothing fails. */
  calm(): void {
    this.left = 0
  }

  /** What happens to the process between two steps. */
  betweenSteps(): 'kill' | 'power-failure' | 'suspend' | null {
    if (this.left === 0 || this.isWaiting) return null
    for (const [kind, share] of this.perStep) if (share > 0 && this.random.chance(share)) return this.use(kind)
    return null
  }

  /** What happens to an operation on the disk: `power-failure` before it has its effect. */
  inOperation(operation: FileOperation): FileFault | 'power-failure' | undefined {
    if (this.left === 0 || this.isWaiting) return undefined
    if (this.inOperationShare > 0 && CRITICAL.has(operation.kind) && this.random.chance(this.inOperationShare)) {
      this.use('power-failure-in-operation')
      return 'power-failure'
    }
    if (this.storageShare === 0 || this.storageKinds?.has(operation.kind) === false) return undefined
    if (!this.random.chance(this.storageShare)) return undefined
    if (this.random.chance(this.tornShare)) {
      this.use('storage-torn')
      return 'torn'
    }
    this.use('storage-error')
    const code = this.random.pick(['EIO', 'ENOSPC', 'EMFILE'])
    return Object.assign(new Error(`${code}: simulated failure of ${operation.kind} '${operation.path}'`), { code })
  }

  /** Whether a function of the job throws now. */
  functionThrows(): boolean {
    return this.happens('function-throws', this.functionShare)
  }

  /** Whether an outside system fails now. */
  outsideFails(): boolean {
    return this.happens('outside-fails', this.outsideShare)
  }

  private happens(kind: FaultKind, share: number): boolean {
    if (this.left === 0 || this.isWaiting || share === 0 || !this.random.chance(share)) return false
    this.use(kind)
    return true
  }

  private use<Kind extends FaultKind>(kind: Kind): Kind {
    this.left--
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
    return kind
  }
}
