import { isEncoder } from './record-encoder.ts'
import { durationMs, TidemarkError } from 'tidemark/connector'
import type { KafkaSinkOptions } from '../options.ts'
import { isAvailable } from '../records/compression.ts'
import type { Compression } from '../records/contract.ts'

const KIB = 1024
const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const TOPIC_NAME = /^[a-zA-Z0-9._-]{1,249}$/

/** What a sink was told, checked, defaults filled in. */
export interface SinkSettings {
  readonly delivery: 'exactly-once' | 'at-least-once'
  readonly transactionTimeoutMs: number
  /** Null: job and operator. */
  readonly transactionalIdPrefix: string | null
  readonly compression: Compression
  readonly batchBytes: number
  readonly lingerMs: number
  readonly bufferBytes: number
  readonly deliveryTimeoutMs: number
  readonly keepUntilCommitted: string | null
}

const OPTION_NAMES: { readonly [Name in keyof Required<KafkaSinkOptions<unknown>>]: true } = {
  value: true,
  codec: true,
  key: true,
  headers: true,
  timestamp: true,
  partition: true,
  delivery: true,
  transactionTimeout: true,
  transactionalIdPrefix: true,
  compression: true,
  batchBytes: true,
  linger: true,
  bufferBytes: true,
  deliveryTimeout: true,
  keepUntilCommitted: true,
}

/** Checks what a user wrote; `INVALID_OPTION` names the option. */
export function sinkSettings<T>(options: KafkaSinkOptions<T>): SinkSettings {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(OPTION_NAMES, name))
  if (unknown !== undefined) {
    throw invalid(
      `a Kafka sink has no option ${JSON.stringify(unknown)}`,
      `Options: ${Object.keys(OPTION_NAMES).join(', ')}.`,
    )
  }
  checkFunctions(options)
  const delivery = options.delivery ?? 'exactly-once'
  if (delivery !== 'exactly-once' && delivery !== 'at-least-once') {
    throw invalid(`delivery is ${JSON.stringify(delivery)}`, `Give 'exactly-once' or 'at-least-once'.`)
  }
  const compression = options.compression ?? 'none'
  if (!COMPRESSIONS.includes(compression)) {
    throw invalid(`compression is ${JSON.stringify(compression)}`, `Give one of ${COMPRESSIONS.join(', ')}.`)
  }
  if (!isAvailable(compression)) {
    throw new TidemarkError(
      'UNSUPPORTED',
      `compression is '${compression}', which Node ${process.versions.node} lacks`,
      {
        action: `Run the job with Node 22.15 or newer, or give 'lz4', 'snappy' or 'gzip'.`,
      },
    )
  }
  const batchBytes = wholeBytes('batchBytes', options.batchBytes ?? 64 * KIB)
  return {
    delivery,
    transactionTimeoutMs: positiveDuration('transactionTimeout', options.transactionTimeout ?? '15m'),
    transactionalIdPrefix: checkPrefix(options.transactionalIdPrefix),
    compression,
    batchBytes,
    lingerMs: durationMs(options.linger ?? '5ms', 'linger'),
    bufferBytes: Math.max(batchBytes, wholeBytes('bufferBytes', options.bufferBytes ?? 32 * KIB * KIB)),
    deliveryTimeoutMs: positiveDuration('deliveryTimeout', options.deliveryTimeout ?? '2m'),
    keepUntilCommitted: checkDirectory(options.keepUntilCommitted),
  }
}

export function checkTopicName(topic: unknown): string {
  if (typeof topic === 'string' && TOPIC_NAME.test(topic) && topic !== '.' && topic !== '..') return topic
  throw invalid(
    `${JSON.stringify(topic)} is not a name of a topic`,
    'Names consist of letters, digits, ".", "_" and "-", at most 249.',
  )
}

function checkFunctions<T>({ value, codec, ...functions }: KafkaSinkOptions<T>): void {
  if (value !== undefined && typeof value !== 'function' && !isEncoder(value)) {
    throw invalid(
      'value is neither a codec nor a function',
      'Give a codec (json(), text(), …), or (record) => what is to be written.',
    )
  }
  if (codec !== undefined && (!isEncoder(codec) || isEncoder(value))) {
    throw invalid(
      isEncoder(codec) ? 'value and codec are both codecs' : 'codec is not a codec',
      'Give a codec (json(), text(), …) for what the function value returns, or a codec as value alone.',
    )
  }
  for (const name of ['key', 'headers', 'timestamp', 'partition'] as const) {
    if (functions[name] === undefined || typeof functions[name] === 'function') continue
    throw invalid(`${name} is not a function`, `Give ${name} as a function of the record.`)
  }
}

function checkPrefix(prefix: unknown): string | null {
  if (prefix === undefined) return null
  if (typeof prefix === 'string' && prefix.trim() !== '' && Buffer.byteLength(prefix) <= 200) return prefix
  throw invalid(
    `transactionalIdPrefix is ${JSON.stringify(prefix)}`,
    'Give a text of 1 to 200 bytes that nothing else in the cluster uses.',
  )
}

function checkDirectory(directory: unknown): string | null {
  if (directory === undefined) return null
  if (typeof directory === 'string' && directory !== '') return directory.replace(/\/+$/u, '') || '/'
  throw invalid(`keepUntilCommitted is ${JSON.stringify(directory)}`, `Give a directory: 'state/unconfirmed'.`)
}

function wholeBytes(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw invalid(`${name} is ${value}`, 'Give it as a whole number of bytes, at least 1.')
}

function positiveDuration(name: string, duration: Parameters<typeof durationMs>[0]): number {
  const ms = durationMs(duration, name)
  if (ms >= 1) return Math.floor(ms)
  throw invalid(`${name} is ${JSON.stringify(duration)}`, `Give a duration of at least a millisecond: '1m'.`)
}

function invalid(problem: string, action: string): TidemarkError {
  return new TidemarkError('INVALID_OPTION', problem, { action })
}
