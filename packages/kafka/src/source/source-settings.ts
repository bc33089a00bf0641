import {
  type Duration,
  durationMs,
  isStandardSchema,
  SINK,
  type Sink,
  type StandardSchema,
  TidemarkError,
} from 'tidemark/connector'
import type { Decoder } from '../codec.ts'
import type { BadRecord, StartOffsets, StopOffsets, TopicOptions, TopicSelection } from '../options.ts'

const MIB = 1024 * 1024
const DEFAULT_FETCH_AHEAD_BYTES = 32 * MIB
const TOPIC_NAME = /^[a-zA-Z0-9._-]{1,249}$/

/** Which topics are read: by name, or by a pattern that whole names have to match. */
export type TopicFilter =
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'pattern'; readonly pattern: RegExp }

export interface SourceSettings {
  readonly topics: TopicFilter
  readonly start: StartOffsets
  readonly stop: StopOffsets | null
  readonly isolation: 'committed' | 'uncommitted'
  /** Null: never. */
  readonly discoveryIntervalMs: number | null
  readonly group: string | null
  readonly onOutOfRange: 'fail' | 'earliest' | 'latest'
  readonly onDeletedTopic: 'fail' | 'end'
  readonly onBadRecord: 'fail' | 'skip' | 'dead-letter'
  readonly deadLetters: Sink<BadRecord> | null
  readonly fetchAheadBytes: number
  readonly unavailableTimeoutMs: number
}

const OPTION_NAMES: { readonly [Name in keyof Required<TopicOptions<unknown>>]: true } = {
  value: true,
  key: true,
  start: true,
  stop: true,
  isolation: true,
  discoveryInterval: true,
  group: true,
  onOutOfRange: true,
  onDeletedTopic: true,
  onBadRecord: true,
  fetchAheadBytes: true,
  unavailableTimeout: true,
}

/** Checks what a user wrote and fills in what was left out; `INVALID_OPTION` names the option. */
export function sourceSettings<V, K>(
  selection: TopicSelection,
  options: TopicOptions<V, K>,
  shape: 'topic' | 'records',
): SourceSettings {
  if (shape === 'topic' && options.key !== undefined) {
    throw invalid('topic() gives values only, and has no use for the option key', 'Use records() for keys and headers.')
  }
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(OPTION_NAMES, name))
  if (unknown !== undefined) {
    throw invalid(
      `a Kafka topic has no option ${JSON.stringify(unknown)}`,
      `Options: ${Object.keys(OPTION_NAMES).join(', ')}.`,
    )
  }
  const topics = topicFilter(selection)
  const stop = options.stop === undefined ? null : checkStop(options.stop)
  const { onBadRecord = 'fail', fetchAheadBytes = DEFAULT_FETCH_AHEAD_BYTES } = options
  const isDeadLetters = typeof onBadRecord === 'object' && onBadRecord !== null && SINK in onBadRecord
  if (!isDeadLetters) oneOf('onBadRecord', onBadRecord, ['fail', 'skip'], ' or a sink of bad records')
  if (!Number.isSafeInteger(fetchAheadBytes) || fetchAheadBytes <= 0) {
    throw invalid(`fetchAheadBytes is ${fetchAheadBytes}`, 'Give it as a whole number of bytes, at least 1.')
  }
  return {
    topics,
    start: checkStart(options.start ?? 'earliest'),
    stop,
    isolation: oneOf('isolation', options.isolation ?? 'committed', ['committed', 'uncommitted']),
    discoveryIntervalMs: interval(options.discoveryInterval),
    group: options.group === undefined ? null : groupName('group', options.group),
    onOutOfRange: oneOf('onOutOfRange', options.onOutOfRange ?? 'fail', ['fail', 'earliest', 'latest']),
    onDeletedTopic: oneOf('onDeletedTopic', options.onDeletedTopic ?? 'fail', ['fail', 'end']),
    onBadRecord: isDeadLetters ? 'dead-letter' : onBadRecord,
    deadLetters: isDeadLetters ? onBadRecord : null,
    fetchAheadBytes,
    unavailableTimeoutMs: durationMs(options.unavailableTimeout ?? '5m', 'unavailableTimeout'),
  }
}

/** For the plan: what is read and how, without anything secret. */
export function describeSettings(
  settings: SourceSettings,
  brokers: string,
): Readonly<Record<string, string | number | boolean>> {
  const { topics, start, stop, isolation, group } = settings
  return {
    brokers,
    topics: topics.kind === 'names' ? topics.names.join(', ') : topics.pattern.toString(),
    start: describeOffsets(start),
    ...(stop === null ? {} : { stop: describeOffsets(stop) }),
    isolation,
    ...(group === null ? {} : { group }),
  }
}

export function matchesTopic(
  topics: TopicFilter,
  { name, isInternal }: { name: string; isInternal: boolean },
): boolean {
  if (topics.kind === 'names') return topics.names.includes(name)
  return !isInternal && topics.pattern.test(name)
}

export function isDecoder<T>(value: unknown): value is Decoder<T> {
  return typeof value === 'object' && value !== null && 'createDecoding' in value && 'kind' in value
}

export function checkedDecoder<T>(name: string, option: unknown): Decoder<T> {
  if (isDecoder<T>(option)) return option
  throw invalid(`${name} is not a codec`, 'Give a codec: json(), text(), bytes(), ….')
}

export function schemaOf<T>(name: string, option: unknown): StandardSchema<T> {
  if (isStandardSchema(option)) return option as StandardSchema<T>
  throw invalid(
    `${name} is neither a codec nor a schema`,
    'Give a codec (json(), text(), bytes(), …) or a Standard Schema (zod, valibot, …) for JSON.',
  )
}

/** Epoch milliseconds of a point in time. */
export function timeMs(timestamp: number | Date): number {
  return typeof timestamp === 'number' ? timestamp : timestamp.getTime()
}

function topicFilter(selection: TopicSelection): TopicFilter {
  if (selection instanceof RegExp) {
    // A pattern with state between its calls (g, y) would skip topics.
    const flags = selection.flags.replace(/[gy]/g, '')
    return { kind: 'pattern', pattern: new RegExp(`^(?:${selection.source})$`, flags) }
  }
  const names = typeof selection === 'string' ? [selection] : [...new Set(selection)].sort()
  if (names.length === 0) throw invalid('no topic is named', 'Give at least one topic, or a pattern.')
  for (const name of names) {
    if (typeof name === 'string' && TOPIC_NAME.test(name) && name !== '.' && name !== '..') continue
    throw invalid(
      `${JSON.stringify(name)} is not a name of a topic`,
      'Names consist of letters, digits, ".", "_" and "-", at most 249. For several topics give a list or a RegExp.',
    )
  }
  return { kind: 'names', names }
}

function checkStart(start: StartOffsets): StartOffsets {
  if (typeof start === 'string') return oneOf<'earliest' | 'latest'>('start', start, ['earliest', 'latest'])
  if (typeof start !== 'object' || start === null) throw invalidOffsets('start', start)
  if ('timestamp' in start) return { timestamp: checkTime('start', start.timestamp) }
  if (!('group' in start) && !('offsets' in start)) throw invalidOffsets('start', start)
  const otherwise = oneOf('start.otherwise', start.otherwise ?? 'fail', ['earliest', 'latest', 'fail'])
  if ('group' in start) return { group: groupName('start.group', start.group), otherwise }
  return { offsets: checkOffsets('start', start.offsets), otherwise }
}

function checkStop(stop: StopOffsets): StopOffsets {
  if (typeof stop === 'string') return oneOf<'latest'>('stop', stop, ['latest'])
  if (typeof stop !== 'object' || stop === null) throw invalidOffsets('stop', stop)
  if ('timestamp' in stop) return { timestamp: checkTime('stop', stop.timestamp) }
  if ('offsets' in stop) return { offsets: checkOffsets('stop', stop.offsets) }
  throw invalidOffsets('stop', stop)
}

type GivenOffsets = Extract<StopOffsets, { readonly offsets: unknown }>['offsets']

function checkOffsets(name: string, offsets: GivenOffsets): GivenOffsets {
  for (const { topic, partition, offset } of offsets) {
    const isWhole = Number.isSafeInteger(partition) && partition >= 0 && Number.isSafeInteger(offset) && offset >= 0
    if (typeof topic === 'string' && isWhole) continue
    const given = JSON.stringify({ topic, partition, offset })
    throw invalid(`${name}.offsets holds ${given}`, 'Give a topic, and partition and offset as whole numbers from 0.')
  }
  const names = offsets.map(({ topic, partition }) => `${topic}[${partition}]`)
  const twice = names.find((partition, index) => names.indexOf(partition) !== index)
  if (twice !== undefined) throw invalid(`${name}.offsets names ${twice} twice`, 'Give one offset per partition.')
  return offsets
}

function checkTime(name: string, timestamp: number | Date): number {
  const ms = timeMs(timestamp)
  if (Number.isFinite(ms) && ms >= 0) return Math.ceil(ms)
  throw invalid(`${name}.timestamp is ${String(timestamp)}`, 'Give a Date, or milliseconds since 1970.')
}

function interval(given: Duration | null | undefined): number | null {
  if (given === null) return null
  const ms = durationMs(given ?? '30s', 'discoveryInterval')
  if (ms > 0) return ms
  throw invalid(
    'discoveryInterval is 0',
    `Give a duration ('30s'), or null to look for new partitions at the start only.`,
  )
}

function groupName(name: string, group: unknown): string {
  if (typeof group === 'string' && group !== '') return group
  throw invalid(`${name} is ${JSON.stringify(group)}`, 'Give the name of a consumer group.')
}

function oneOf<T extends string>(name: string, value: unknown, allowed: readonly T[], more = ''): T {
  if (allowed.includes(value as T)) return value as T
  const choices = allowed.map((choice) => `'${choice}'`).join(', ')
  throw invalid(`${name} is ${JSON.stringify(value)}`, `Give one of ${choices}${more}.`)
}

function invalidOffsets(name: string, value: unknown): TidemarkError {
  return invalid(
    `${name} is ${JSON.stringify(value)}`,
    `See ${name === 'start' ? 'StartOffsets' : 'StopOffsets'} for what it may be.`,
  )
}

function invalid(problem: string, action: string): TidemarkError {
  return new TidemarkError('INVALID_OPTION', problem, { action })
}

function describeOffsets(offsets: StartOffsets | StopOffsets): string {
  if (typeof offsets === 'string') return offsets
  if ('timestamp' in offsets) return new Date(timeMs(offsets.timestamp)).toISOString()
  const otherwise = 'otherwise' in offsets && offsets.otherwise !== undefined ? `, otherwise ${offsets.otherwise}` : ''
  if ('group' in offsets) return `group ${offsets.group}${otherwise}`
  return (
    offsets.offsets.map(({ topic, partition, offset }) => `${topic}[${partition}]@${offset}`).join(', ') + otherwise
  )
}
