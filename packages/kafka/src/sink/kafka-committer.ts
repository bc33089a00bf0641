import {
  type Committable,
  type CommitResult,
  type Committer,
  type CommitterContext,
  isTidemarkError,
  type StartKind,
  TidemarkError,
} from 'tidemark/connector'
import type { KafkaClient } from '../client/contract.ts'
import type { ClusterConnection } from '../connection.ts'
import { retrying } from '../source/retrying.ts'
import { fromCommittable, type PreparedTransaction } from './committable.ts'
import { keptDirectory, makeKeptDirectory } from './kept-records.ts'
import { checkBroker, checkTraces } from './output-check.ts'
import { claimPrefix, releasePrefix } from './prefix-claims.ts'
import { rewriteTransaction } from './rewrite-transaction.ts'
import { codeOf, isEndedTransaction, isRetriable, reasonOf, writeFailed } from './sink-errors.ts'
import type { SinkSettings } from './sink-settings.ts'
import { abortOpen } from './abort-open.ts'
import { fencePredecessor } from './fence-predecessor.ts'
import { defaultPrefix, parseTransactionName } from './transaction-name.ts'
import { OutcomeFinder, type TransactionOutcome } from './transaction-outcome.ts'

/** How many transactions are committed at the same time. */
const CONCURRENT_COMMITS = 16
/** A transaction that is just being ended by somebody is mostly done with it a moment later; beyond, the job asks again by itself. */
const COMMIT_PATIENCE_MS = 1000
/** Who starts a job wants to know soon that the brokers cannot be reached. */
const CHECK_PATIENCE_MS = 15_000
/** Confirmed transactions that are remembered: asked again, they are not committed a second time. */
const REMEMBERED = 4096

export interface KafkaCommitterOptions {
  readonly settings: SinkSettings
  readonly connection: ClusterConnection
  /** Null where a function chooses. */
  readonly topic: string | null
}

/** Commits prepared transactions, in this process or another one, and aborts what no checkpoint holds. */
export class KafkaCommitter implements Committer {
  private readonly context: CommitterContext
  private readonly options: KafkaCommitterOptions
  private readonly prefix: string
  private readonly confirmed = new Set<string>()
  /** Ids of transactions that were to be committed before anything else was done: those of the restored checkpoint. */
  private readonly held = new Set<string>()
  private isPredecessorFenced = false
  private opened: { readonly client: KafkaClient; readonly outcomes: OutcomeFinder } | null = null

  constructor(context: CommitterContext, options: KafkaCommitterOptions) {
    this.context = context
    this.options = options
    this.prefix = options.settings.transactionalIdPrefix ?? defaultPrefix(context.job, context.operator)
  }

  async check(start: StartKind): Promise<void> {
    const { context, prefix } = this
    const { settings, connection, topic } = this.options
    claimPrefix(connection.brokers, prefix, context)
    await this.reaching('could not be checked', async () => {
      const patienceMs = Math.min(settings.deliveryTimeoutMs, CHECK_PATIENCE_MS)
      const patiently = <R>(ask: () => Promise<R>) => retrying(context.clock, patienceMs, () => true, ask)
      await patiently(() => checkBroker(this.client, context, settings, topic, connection.brokers))
      await patiently(() => checkTraces(this.client, context, prefix, start))
    })
  }

  async start(): Promise<void> {
    if (this.directory !== null) await makeKeptDirectory(this.context.files, this.directory)
  }

  async commit(committables: readonly Committable[]): Promise<readonly CommitResult[]> {
    const results: CommitResult[] = []
    for (let from = 0; from < committables.length; from += CONCURRENT_COMMITS) {
      const some = committables.slice(from, from + CONCURRENT_COMMITS)
      results.push(...(await Promise.all(some.map((committable) => this.commitOne(committable)))))
    }
    return results
  }

  async abortOthers(): Promise<void> {
    const { client, context, prefix, options } = this
    const { transactionTimeoutMs, deliveryTimeoutMs: patienceMs } = options.settings
    const aborting = { client, clock: context.clock, prefix, identity: context, transactionTimeoutMs, patienceMs }
    await this.reaching('could not abort unfinished transactions', async () => {
      const fencing = this.isPredecessorFenced ? null : fencePredecessor(aborting, this.held)
      await Promise.all([abortOpen(aborting), fencing])
      this.isPredecessorFenced = true
    })
    if (this.directory === null) return
    // Everything that a checkpoint held is confirmed, and nobody writes: what is kept here is needed by nobody.
    for (const name of (await context.files.list(this.directory)) ?? [])
      await context.files.remove(`${this.directory}/${name}`)
  }

  async close(): Promise<void> {
    releasePrefix(this.options.connection.brokers, this.prefix, this.context)
    await this.opened?.client.close()
    this.opened = null
  }

  private get client(): KafkaClient {
    return this.open().client
  }

  private get outcomes(): OutcomeFinder {
    return this.open().outcomes
  }

  private open(): NonNullable<KafkaCommitter['opened']> {
    if (this.opened === null) {
      const client = this.options.connection.open(this.context.secret)
      this.opened = { client, outcomes: new OutcomeFinder(client) }
    }
    return this.opened
  }

  private get directory(): string | null {
    const { keepUntilCommitted } = this.options.settings
    return keepUntilCommitted === null ? null : keptDirectory(keepUntilCommitted, this.prefix)
  }

  private async commitOne(committable: Committable): Promise<CommitResult> {
    const transaction = fromCommittable(committable)
    if (transaction === null) {
      const text = `the checkpoint names a transaction in a form that is not known: ${JSON.stringify(committable)}`
      return this.lost(text, 'Start the job with the version of @tidemark/kafka that has written the checkpoint.')
    }
    if (!this.isPredecessorFenced) this.held.add(transaction.transactionalId)
    try {
      const kind = await this.settle(transaction)
      if (kind !== 'committed' && kind !== 'already-committed') return kind
      this.remember(transaction)
      await this.forgetKept(transaction)
      return { kind }
    } catch (error) {
      if (isTidemarkError(error)) {
        if (error.code === 'CORRUPT_DATA') return { kind: 'lost', error }
        throw error
      }
      if (isRetriable(error)) return this.retry(error)
      throw this.failed('COMMIT_FAILED', `could not commit transaction ${transaction.transactionalId}`, error)
    }
  }

  private async settle(transaction: PreparedTransaction): Promise<'committed' | 'already-committed' | CommitResult> {
    const { client, context } = this
    // Of this process and never confirmed: nobody but us has ended it. Else it is asked first, since the answer to a second commit is that of the first.
    if (!this.isOfThisProcess(transaction) || this.confirmed.has(nameOf(transaction))) {
      const outcome = await this.again(() => this.outcomes.find(transaction))
      if (outcome !== 'open') return this.conclude(transaction, outcome)
    }
    try {
      await retrying(
        context.clock,
        COMMIT_PATIENCE_MS,
        () => true,
        () => client.endTransaction(transaction, 'commit'),
      )
      return 'committed'
    } catch (error) {
      if (!isEndedTransaction(error)) throw error
      const outcome = await this.again(() => this.outcomes.find(transaction))
      if (outcome === 'open') return this.retry(error)
      return this.conclude(transaction, outcome)
    }
  }

  private async conclude(
    transaction: PreparedTransaction,
    outcome: Exclude<TransactionOutcome, 'open'>,
  ): Promise<'committed' | 'already-committed' | CommitResult> {
    const { transactionalId, recordCount } = transaction
    switch (outcome) {
      case 'committed':
        return 'already-committed'
      case 'pending':
        return this.retry(
          new Error(`transaction ${transactionalId} has ended, and what became of it cannot be seen yet`),
        )
      case 'expired':
        this.context.warn(
          `sink ${this.context.operator}: the brokers have forgotten transaction ${transactionalId}, and the topic has deleted its ${recordCount} records by its retention: it counts as committed`,
        )
        return 'already-committed'
      case 'aborted':
        if (transaction.kept !== null && this.directory !== null) return this.rewrite(transaction, this.directory)
        return this.lostTransaction(transaction, 'was aborted by the broker')
      case 'unknown':
        return this.lostTransaction(
          transaction,
          'is not known to the brokers any more, and the log does not tell whether it was committed',
        )
    }
  }

  private async rewrite(
    transaction: PreparedTransaction,
    directory: string,
  ): Promise<'committed' | 'already-committed'> {
    const { client, context } = this
    const { transactionTimeoutMs, deliveryTimeoutMs } = this.options.settings
    const result = await rewriteTransaction(
      { client, clock: context.clock, files: context.files, directory, transactionTimeoutMs, deliveryTimeoutMs },
      transaction,
    )
    if (result === 'already-rewritten') return 'already-committed'
    context.warn(
      `sink ${context.operator}: transaction ${transaction.transactionalId} was aborted by the broker before it was committed; its ${transaction.recordCount} records were written again, behind what was written to the same partitions since`,
    )
    return 'committed'
  }

  private async forgetKept({ kept }: PreparedTransaction): Promise<void> {
    if (kept === null || this.directory === null) return
    // What stays because of a failure is removed at the next start.
    await this.context.files.remove(`${this.directory}/${kept.name}`).catch(() => undefined)
  }

  private remember(transaction: PreparedTransaction): void {
    this.confirmed.add(nameOf(transaction))
    for (const name of this.confirmed) {
      if (this.confirmed.size <= REMEMBERED) break
      this.confirmed.delete(name)
    }
  }

  private isOfThisProcess({ transactionalId }: PreparedTransaction): boolean {
    const name = parseTransactionName(transactionalId)
    return name !== null && name.run === this.context.run && name.epoch === this.context.epoch
  }

  private lostTransaction(transaction: PreparedTransaction, fate: string): CommitResult {
    const { transactionalId, producerId, producerEpoch, partitions, recordCount } = transaction
    return this.lost(
      `transaction ${transactionalId} (producer ${producerId}, epoch ${producerEpoch}) with ${recordCount} records for ${partitions} ${fate}`,
      'These records are missing from the topics. Brokers abort what stays open for longer than transactionTimeout: give a longer one (and transaction.max.timeout.ms), or keepUntilCommitted, with which such records are written again. To get these back start afresh into new topics, or from an older savepoint with --allow-duplicates.',
    )
  }

  private lost(problem: string, action: string): CommitResult {
    const { job, operator } = this.context
    const error = new TidemarkError('COMMIT_LOST', `sink ${operator}: ${problem}`, {
      action,
      context: { job, operator },
    })
    return { kind: 'lost', error }
  }

  private retry(cause: unknown): CommitResult {
    return { kind: 'retry', error: this.failed('COMMIT_FAILED', 'cannot commit yet', cause) }
  }

  private failed(code: 'COMMIT_FAILED', what: string, cause: unknown): TidemarkError {
    const { job, operator } = this.context
    const isRight = codeOf(cause).endsWith('AUTHORIZATION_FAILED')
    return new TidemarkError(code, `sink ${operator} ${what}: ${reasonOf(cause)}`, {
      action: isRight
        ? 'Give this user the rights Write and Describe on transactional ids that begin with the prefix.'
        : `Check that the brokers (${this.options.connection.brokers}) run and can be reached.`,
      context: { job, operator },
      cause,
    })
  }

  private again<R>(ask: () => Promise<R>): Promise<R> {
    return retrying(this.context.clock, COMMIT_PATIENCE_MS, () => true, ask)
  }

  private async reaching<R>(what: string, act: () => Promise<R>): Promise<R> {
    try {
      return await act()
    } catch (error) {
      if (isTidemarkError(error)) throw error
      throw writeFailed(this.context, `${what} (brokers ${this.options.connection.brokers})`, error)
    }
  }
}

function nameOf({ transactionalId, producerId, producerEpoch }: PreparedTransaction): string {
  return `${transactionalId} ${producerId} ${producerEpoch}`
}
