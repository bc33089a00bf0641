import type { CheckpointId } from 'tidemark/connector'
import type { ProducerIdentity, TransactionIdentity } from '../client/contract.ts'

/** Epochs of a producer end at 32767; an id is given up before, so that its producer id never changes. */
const LAST_EPOCH = 30_000

interface Prepared {
  readonly transactionalId: string
  readonly checkpoint: number
}

interface Resting {
  readonly transactionalId: string
  /** The id is free when a checkpoint of this number or a later one is confirmed. */
  readonly freeFrom: number
}

export interface TransactionPoolOptions {
  readonly name: (slot: number) => string
  readonly initialize: (transactionalId: string) => Promise<ProducerIdentity>
}

/**
 * Transactional ids of one writer, used in turn: brokers remember each id for days, and per producer id something for every partition, so that an id per checkpoint would cost them
 * gigabytes. Every transaction has an epoch of its own by `initialize`: a commit of an earlier one that comes late is refused.
 *
 * An id comes back when no checkpoint that the job may go back to holds its last transaction: the transaction is confirmed, then a barrier passes here (so that the manifest of
 * that checkpoint is written after the confirmation, without the transaction), then that checkpoint is complete and itself confirmed. Why that is enough: docs/design/009-kafka.md.
 */
export class TransactionPool {
  private readonly options: TransactionPoolOptions
  private slots = 0
  private readonly free: string[] = []
  private prepared: Prepared[] = []
  private resting: Resting[] = []
  private lastBarrier = 0
  private ahead: Promise<TransactionIdentity> | null = null

  constructor(options: TransactionPoolOptions) {
    this.options = options
  }

  /** How many ids were ever named. */
  get size(): number {
    return this.slots
  }

  /** The next transaction; the one after it is initialized meanwhile, so that a barrier does not wait for it. */
  async take(): Promise<TransactionIdentity> {
    const next = this.ahead ?? this.initialize()
    this.ahead = null
    const identity = await next
    this.ahead ??= this.initialize()
    // Who takes it is told.
    this.ahead.catch(() => {})
    return identity
  }

  /** The coordinator has forgotten an id that was not used yet. */
  async renew(transactionalId: string): Promise<TransactionIdentity> {
    return { transactionalId, ...(await this.options.initialize(transactionalId)) }
  }

  onBarrier(checkpoint: CheckpointId): void {
    this.lastBarrier = Math.max(this.lastBarrier, checkpoint)
  }

  onPrepared(checkpoint: CheckpointId, { transactionalId, producerEpoch }: TransactionIdentity): void {
    if (producerEpoch < LAST_EPOCH) this.prepared.push({ transactionalId, checkpoint })
  }

  onCommitted(checkpoint: CheckpointId): void {
    this.onBarrier(checkpoint)
    for (const { transactionalId, freeFrom } of this.resting)
      if (freeFrom <= checkpoint) this.free.push(transactionalId)
    this.resting = this.resting.filter(({ freeFrom }) => freeFrom > checkpoint)
    for (const prepared of this.prepared) {
      if (prepared.checkpoint > checkpoint) continue
      this.resting.push({ transactionalId: prepared.transactionalId, freeFrom: this.lastBarrier + 1 })
    }
    this.prepared = this.prepared.filter((prepared) => prepared.checkpoint > checkpoint)
  }

  private async initialize(): Promise<TransactionIdentity> {
    const transactionalId = this.free.shift() ?? this.options.name(this.slots++)
    return { transactionalId, ...(await this.options.initialize(transactionalId)) }
  }
}
