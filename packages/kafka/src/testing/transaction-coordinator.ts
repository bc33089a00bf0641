import type {
  ListedTransaction,
  ProducerIdentity,
  TopicPartition,
  TransactionDescription,
  TransactionIdentity,
  TransactionState,
} from '../client/contract.ts'
import { type FailureCode, memoryFailure } from './memory-failure.ts'

export interface CoordinatorOptions {
  readonly now: () => number
  readonly maxTimeoutMs: () => number
  /** Markers are written some time after the outcome is decided. */
  readonly later: (write: () => void) => void
  readonly hasPartition: (partition: TopicPartition) => boolean
  readonly writeMarker: (partition: TopicPartition, producer: ProducerIdentity, outcome: 'commit' | 'abort') => void
}

interface Transaction {
  readonly transactionalId: string
  producerId: bigint
  epoch: number
  timeoutMs: number
  state: TransactionState
  startedAtMs: number | null
  partitions: Map<string, TopicPartition>
}

const LAST_EPOCH = 32_766

/**
 * Transactions as a broker's coordinator keeps them in protocol V1: what a producer with an id, an epoch and an outcome is answered in each state. The tables
 * come from measurements with brokers 4.3.1 and 4.4.0.
 */
export class TransactionCoordinator {
  private readonly options: CoordinatorOptions
  private readonly transactions = new Map<string, Transaction>()
  private nextProducerId = 1000n

  constructor(options: CoordinatorOptions) {
    this.options = options
  }

  initializeProducer(transactionalId: string | null, timeoutMs: number): ProducerIdentity {
    if (transactionalId === null) return { producerId: this.nextProducerId++, producerEpoch: 0 }
    const { maxTimeoutMs } = this.options
    if (timeoutMs <= 0 || timeoutMs > maxTimeoutMs()) {
      throw memoryFailure('INVALID_TRANSACTION_TIMEOUT', `${timeoutMs} ms are more than ${maxTimeoutMs()} ms`)
    }
    this.expire()
    const known = this.transactions.get(transactionalId)
    if (known === undefined) return this.create(transactionalId, timeoutMs)
    if (known.state === 'Ongoing') {
      this.fence(known)
      throw concurrent(known)
    }
    if (isEnding(known)) throw concurrent(known)
    this.increaseEpoch(known)
    known.state = 'Empty'
    known.timeoutMs = timeoutMs
    known.startedAtMs = null
    return { producerId: known.producerId, producerEpoch: known.epoch }
  }

  addPartitions(identity: TransactionIdentity, partitions: readonly TopicPartition[]): void {
    this.expire()
    const transaction = this.find(identity)
    if (isEnding(transaction)) throw concurrent(transaction)
    for (const partition of partitions) {
      if (this.options.hasPartition(partition)) continue
      throw memoryFailure('UNKNOWN_TOPIC_OR_PARTITION', `${partition.topic}[${partition.partition}] does not exist`)
    }
    if (transaction.state !== 'Ongoing') {
      transaction.state = 'Ongoing'
      transaction.startedAtMs = this.options.now()
      transaction.partitions = new Map()
    }
    for (const partition of partitions) transaction.partitions.set(nameOf(partition), partition)
  }

  /** What a leader asks before it takes the first batch of a transaction. */
  verify(identity: TransactionIdentity, partition: TopicPartition): void {
    this.expire()
    const transaction = this.transactions.get(identity.transactionalId)
    if (transaction === undefined || transaction.producerId !== identity.producerId) {
      throw refused('INVALID_PRODUCER_ID_MAPPING', identity)
    }
    if (transaction.epoch !== identity.producerEpoch) throw refused('INVALID_PRODUCER_EPOCH', identity)
    if (transaction.state !== 'Ongoing' || !transaction.partitions.has(nameOf(partition))) {
      throw refused('INVALID_TXN_STATE', identity)
    }
  }

  endTransaction(identity: TransactionIdentity, outcome: 'commit' | 'abort'): void {
    this.expire()
    const transaction = this.find(identity)
    const { state } = transaction
    if (state === 'Ongoing') return this.end(transaction, outcome)
    const [prepared, complete]: readonly TransactionState[] =
      outcome === 'commit' ? ['PrepareCommit', 'CompleteCommit'] : ['PrepareAbort', 'CompleteAbort']
    if (state === complete) return
    if (state === prepared) throw concurrent(transaction)
    throw refused('INVALID_TXN_STATE', identity)
  }

  describe(transactionalId: string): TransactionDescription | null {
    this.expire()
    const transaction = this.transactions.get(transactionalId)
    if (transaction === undefined) return null
    const { producerId, epoch: producerEpoch, state, timeoutMs, startedAtMs } = transaction
    const partitions = [...transaction.partitions.values()]
    return { transactionalId, producerId, producerEpoch, state, timeoutMs, startedAtMs, partitions }
  }

  list(prefix: string, states: readonly TransactionState[]): readonly ListedTransaction[] {
    this.expire()
    return [...this.transactions.values()]
      .filter(({ transactionalId }) => transactionalId.startsWith(prefix))
      .filter(({ state }) => states.length === 0 || states.includes(state))
      .map(({ transactionalId, producerId, state }) => ({ transactionalId, producerId, state }))
  }

  /** Forgets an id, as brokers do after `transactional.id.expiration.ms`. */
  forget(transactionalId: string): void {
    this.transactions.delete(transactionalId)
  }

  /** Aborts what has been open for longer than its timeout, and fences its producer. */
  expire(): void {
    for (const transaction of this.transactions.values()) {
      const { state, startedAtMs, timeoutMs } = transaction
      if (state === 'Ongoing' && this.options.now() >= startedAtMs! + timeoutMs) this.fence(transaction)
    }
  }

  private create(transactionalId: string, timeoutMs: number): ProducerIdentity {
    const producerId = this.nextProducerId++
    const state: TransactionState = 'Empty'
    const common = { transactionalId, producerId, epoch: 0, timeoutMs, state }
    this.transactions.set(transactionalId, { ...common, startedAtMs: null, partitions: new Map() })
    return { producerId, producerEpoch: 0 }
  }

  /** The transaction of this identity, where nobody has taken it over. */
  private find(identity: TransactionIdentity): Transaction {
    const transaction = this.transactions.get(identity.transactionalId)
    if (transaction === undefined || transaction.producerId !== identity.producerId) {
      throw refused('INVALID_PRODUCER_ID_MAPPING', identity)
    }
    if (transaction.epoch !== identity.producerEpoch) throw refused('PRODUCER_FENCED', identity)
    return transaction
  }

  private fence(transaction: Transaction): void {
    transaction.epoch++
    this.end(transaction, 'abort')
  }

  private end(transaction: Transaction, outcome: 'commit' | 'abort'): void {
    transaction.state = outcome === 'commit' ? 'PrepareCommit' : 'PrepareAbort'
    const { producerId, epoch: producerEpoch, partitions } = transaction
    this.options.later(() => {
      for (const partition of partitions.values()) {
        this.options.writeMarker(partition, { producerId, producerEpoch }, outcome)
      }
      transaction.state = outcome === 'commit' ? 'CompleteCommit' : 'CompleteAbort'
      transaction.partitions = new Map()
      transaction.startedAtMs = null
    })
  }

  private increaseEpoch(transaction: Transaction): void {
    if (transaction.epoch < LAST_EPOCH) transaction.epoch++
    else {
      transaction.producerId = this.nextProducerId++
      transaction.epoch = 0
    }
  }
}

function isEnding({ state }: Transaction): boolean {
  return state === 'PrepareCommit' || state === 'PrepareAbort' || state === 'PrepareEpochFence'
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}[${partition}]`
}

function concurrent({ transactionalId, state }: Transaction): Error {
  return memoryFailure('CONCURRENT_TRANSACTIONS', `transaction ${transactionalId} is ${state}`)
}

function refused(code: FailureCode, { transactionalId, producerEpoch }: TransactionIdentity): Error {
  return memoryFailure(code, `transaction ${transactionalId}, epoch ${producerEpoch}`)
}
