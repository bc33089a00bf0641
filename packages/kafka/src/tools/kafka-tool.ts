import { readFileSync } from 'node:fs'
import { type Clock, type Committable, isTidemarkError, SECRET, type Secret, TidemarkError } from 'tidemark/connector'
import type { KafkaClient, OpenKafkaClient, TransactionDescription } from '../client/contract.ts'
import { openKafkaClient } from '../client/kafka-client.ts'
import { clusterSettings } from '../cluster-settings.ts'
import { OPEN_STATES } from '../sink/abort-open.ts'
import { describePartitions, fromCommittable } from '../sink/committable.ts'
import { codeOf, reasonOf } from '../sink/sink-errors.ts'
import { parseTransactionName } from '../sink/transaction-name.ts'
import { retrying } from '../source/retrying.ts'
import { parseToolArguments, TOOL_HELP, type ToolArguments } from './tool-arguments.ts'

const PATIENCE_MS = 15_000

/** A committable of a checkpoint. */
export interface HeldTransaction {
  readonly checkpoint: number
  readonly committable: Committable
}

/** What the tool has of the process it runs in. */
export interface ToolHost {
  readonly argv: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly write: (text: string) => void
  readonly writeError: (text: string) => void
  /** What the checkpoints in a directory hold; null where there are none. */
  readonly readHeld: (directory: string) => Promise<readonly HeldTransaction[] | null>
  /** For tests. */
  readonly openClient?: OpenKafkaClient
}

interface Row {
  readonly description: TransactionDescription
  /** The newest checkpoint that holds it. */
  readonly checkpoint: number | null
}

/** `tidemark kafka …`. The exit code. */
export async function runKafkaTool(host: ToolHost): Promise<number> {
  let client: KafkaClient | null = null
  try {
    const args = parseToolArguments(host.argv)
    if (args === null) {
      host.write(TOOL_HELP)
      return 0
    }
    client = open(args, host)
    return await new TransactionTool(client, args, host).run()
  } catch (error) {
    if (!isTidemarkError(error)) {
      host.writeError(`tidemark: ${reasonOf(error)}\n${adviceFor(error)}\n`)
      return 1
    }
    host.writeError(`tidemark: ${error.message}\n${error.action === undefined ? '' : `${error.action}\n`}`)
    return error.code === 'INVALID_OPTION' || error.code === 'SECRET_MISSING' ? 2 : error.code === 'UNSUPPORTED' ? 3 : 1
  } finally {
    await client?.close()
  }
}

class TransactionTool {
  private readonly client: KafkaClient
  private readonly args: ToolArguments
  private readonly host: ToolHost

  constructor(client: KafkaClient, args: ToolArguments, host: ToolHost) {
    this.client = client
    this.args = args
    this.host = host
  }

  async run(): Promise<number> {
    const { checkpointDir, action } = this.args
    const held = checkpointDir === null ? null : await this.host.readHeld(checkpointDir)
    const rows = await this.rows(held ?? [])
    if (action === 'list') this.list(rows, held !== null)
    else await this.end(action, this.chosen(rows), held !== null)
    return 0
  }

  private async rows(held: readonly HeldTransaction[]): Promise<readonly Row[]> {
    const { job, prefix, showsFinished, ids } = this.args
    const isOurs = (id: string) => {
      const name = parseTransactionName(id)
      if (name === null) return false
      return prefix === null ? name.prefix.startsWith(`${job}/`) : name.prefix === prefix
    }
    const states = showsFinished || ids.length > 0 ? [] : OPEN_STATES
    const listed = await this.again(() =>
      this.client.listTransactions(prefix === null ? `${job}/` : `${prefix}~`, states),
    )
    const rows: Row[] = []
    for (const { transactionalId } of listed.filter((transaction) => isOurs(transaction.transactionalId))) {
      const description = await this.again(() => this.client.describeTransaction(transactionalId))
      if (description !== null) rows.push({ description, checkpoint: holderOf(description, held) })
    }
    return rows.sort((left, right) => (left.description.transactionalId < right.description.transactionalId ? -1 : 1))
  }

  private list(rows: readonly Row[], isHeldKnown: boolean): void {
    const now = this.host.clock.now()
    for (const { description, checkpoint } of rows) {
      const { transactionalId, producerId, producerEpoch, state, startedAtMs, timeoutMs } = description
      const partitions = describePartitions(description.partitions)
      if (this.args.isJson) {
        const facts = {
          transactionalId,
          state,
          startedAtMs,
          timeoutMs,
          producerId: String(producerId),
          producerEpoch,
          partitions,
          checkpoint,
        }
        this.host.write(`${JSON.stringify(facts)}\n`)
        continue
      }
      const age = startedAtMs === null ? '' : `, open for ${seconds(now - startedAtMs)} of ${seconds(timeoutMs)}`
      const holder =
        checkpoint !== null
          ? `held by checkpoint ${checkpoint}`
          : isHeldKnown
            ? 'held by no checkpoint'
            : 'checkpoints unknown'
      this.host.write(
        `${transactionalId}\n  ${state}${age}; producer ${producerId}, epoch ${producerEpoch}; ${partitions || 'no partitions'}; ${holder}\n`,
      )
    }
    if (rows.length === 0 && !this.args.isJson) this.host.write('No transactions.\n')
  }

  private chosen(rows: readonly Row[]): readonly Row[] {
    const { ids, isAll } = this.args
    if (isAll && ids.length === 0) return rows.filter(({ description }) => description.state === 'Ongoing')
    return ids.map((id) => {
      const row = rows.find(({ description }) => description.transactionalId === id)
      if (row !== undefined) return row
      throw new TidemarkError('INVALID_OPTION', `there is no transaction ${id} of this job`, {
        action: 'See: tidemark kafka transactions list.',
      })
    })
  }

  private async end(action: 'commit' | 'abort', rows: readonly Row[], isHeldKnown: boolean): Promise<void> {
    // All or nothing: whoever is refused one has not ended the others.
    for (const row of rows) this.checkEnd(action, row, isHeldKnown)
    for (const { description } of rows) {
      await this.again(() => this.client.endTransaction(description, action))
      this.host.write(`${action === 'commit' ? 'committed' : 'aborted'} ${description.transactionalId}\n`)
    }
    if (rows.length === 0) this.host.write('No open transactions.\n')
  }

  private checkEnd(action: 'commit' | 'abort', { description, checkpoint }: Row, isHeldKnown: boolean): void {
    const { transactionalId, state } = description
    const isDone = action === 'commit' ? state === 'CompleteCommit' : state === 'CompleteAbort'
    if (state !== 'Ongoing' && !isDone) {
      throw refused(
        `${transactionalId} is ${state}: there is nothing to ${action}`,
        'See: tidemark kafka transactions list --finished.',
      )
    }
    if (this.args.isForced) return
    if (!isHeldKnown) {
      throw refused(
        `it is not known which checkpoint holds ${transactionalId}: ${this.args.checkpointDir ?? 'no directory'} has no checkpoints`,
        `Give --checkpoint-dir of the job, or --force to ${action} all the same.`,
      )
    }
    if (action === 'abort' && checkpoint !== null) {
      throw refused(
        `checkpoint ${checkpoint} holds ${transactionalId}: aborted, its records are lost, and the job does not start from that checkpoint any more`,
        'Commit it, or start the job, which does so by itself. --force aborts all the same.',
      )
    }
    if (action === 'commit' && checkpoint === null) {
      throw refused(
        `no checkpoint holds ${transactionalId}: committed, its records are there twice when the job goes on`,
        'Abort it, or start the job, which does so by itself. --force commits all the same.',
      )
    }
  }

  private again<R>(ask: () => Promise<R>): Promise<R> {
    return retrying(this.host.clock, PATIENCE_MS, () => true, ask)
  }
}

/** The newest checkpoint that holds exactly this transaction: an id is used more than once. */
function holderOf(
  { transactionalId, producerId, producerEpoch }: TransactionDescription,
  held: readonly HeldTransaction[],
): number | null {
  const holders = held.filter(({ committable }) => {
    const transaction = fromCommittable(committable)
    if (transaction === null || transaction.transactionalId !== transactionalId) return false
    return transaction.producerId === producerId && transaction.producerEpoch === producerEpoch
  })
  return holders.length === 0 ? null : Math.max(...holders.map(({ checkpoint }) => checkpoint))
}

function open(args: ToolArguments, { environment, openClient = openKafkaClient }: ToolHost): KafkaClient {
  const secrets = new Map<string, string | undefined>([
    ['KAFKA_PASSWORD', environment['KAFKA_PASSWORD']],
    ['KAFKA_KEY_PASSPHRASE', environment['KAFKA_KEY_PASSPHRASE']],
    ['key', args.key === null ? undefined : readFileSync(args.key, 'utf8')],
  ])
  const { ca, cert, key, saslMechanism, saslUsername } = args
  const tls = {
    ...(ca === null ? {} : { ca: readFileSync(ca, 'utf8') }),
    ...(cert === null ? {} : { cert: readFileSync(cert, 'utf8') }),
    ...(key === null ? {} : { key: secret('key') }),
    ...(secrets.get('KAFKA_KEY_PASSPHRASE') === undefined || key === null
      ? {}
      : { passphrase: secret('KAFKA_KEY_PASSPHRASE') }),
  }
  const settings = clusterSettings({
    brokers: args.bootstrap,
    clientId: 'tidemark-tool',
    requestTimeout: '15s',
    ...(args.isTls ? { tls } : {}),
    ...(saslMechanism === null
      ? {}
      : { sasl: { mechanism: saslMechanism, username: saslUsername ?? '', password: secret('KAFKA_PASSWORD') } }),
  })
  return openClient(
    settings.resolve((name) => {
      const value = secrets.get(name)
      if (value !== undefined) return value
      throw new TidemarkError('SECRET_MISSING', `${name} is not set`, { action: `Set ${name} in the environment.` })
    }),
  )
}

function secret(name: string): Secret {
  return { [SECRET]: true, secret: name }
}

function adviceFor(error: unknown): string {
  if (codeOf(error) === 'AUTHENTICATION') return 'Check --sasl-mechanism, --sasl-username and KAFKA_PASSWORD.'
  return 'Check that the brokers run and can be reached from here, and that the connection options are those of the job.'
}

function refused(message: string, action: string): TidemarkError {
  return new TidemarkError('UNSUPPORTED', message, { action })
}

function seconds(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`
}
