import { assert, TidemarkError } from 'tidemark/connector'
import type { KafkaClient, OffsetRequest, TopicPartition } from '../client/contract.ts'
import type { StartOffsets } from '../options.ts'
import { partitionName } from './partition-split.ts'
import { type SourceSettings, timeMs } from './source-settings.ts'

type Position = OffsetRequest['at']

/** Offsets of partitions by position, in their order; throws the first partition's error. */
export async function offsetsAt(
  client: KafkaClient,
  { isolation }: Pick<SourceSettings, 'isolation'>,
  partitions: readonly TopicPartition[],
  at: Position,
): Promise<readonly number[]> {
  if (partitions.length === 0) return []
  const requests = partitions.map(({ topic, partition }) => ({ topic, partition, at }))
  const answers = await client.offsets(requests, isolation)
  assert(answers.length === requests.length, 'one answer per partition')
  return answers.map(({ offset, error }) => {
    if (error !== null) throw error
    return offset
  })
}

/** Where reading begins on a fresh start, in the order of the partitions: a number for each, so that what a restart reads never depends on when it happens. */
export async function startOffsets(
  client: KafkaClient,
  settings: SourceSettings,
  partitions: readonly TopicPartition[],
): Promise<readonly number[]> {
  const { start } = settings
  if (typeof start === 'string') return offsetsAt(client, settings, partitions, start)
  if ('timestamp' in start) return offsetsAt(client, settings, partitions, { timestampMs: timeMs(start.timestamp) })
  const given = 'group' in start ? await client.committedOffsets(start.group, partitions) : start.offsets
  const byName = new Map(given.map((entry) => [partitionName(entry), entry.offset]))
  const others = partitions.filter((partition) => !byName.has(partitionName(partition)))
  const { otherwise = 'fail' } = start
  if (others.length > 0 && otherwise === 'fail') throw withoutOffset(start, others)
  if (otherwise !== 'fail') {
    const offsets = await offsetsAt(client, settings, others, otherwise)
    for (const [index, partition] of others.entries()) byName.set(partitionName(partition), offsets[index]!)
  }
  return partitions.map((partition) => byName.get(partitionName(partition))!)
}

/** Where reading ends; null: this partition is not read at all. */
export async function stopOffsets(
  client: KafkaClient,
  settings: SourceSettings,
  partitions: readonly TopicPartition[],
): Promise<readonly (number | null)[]> {
  const { stop } = settings
  assert(stop !== null, 'the source is bounded')
  if (typeof stop === 'string') return offsetsAt(client, settings, partitions, stop)
  if ('timestamp' in stop) return offsetsAt(client, settings, partitions, { timestampMs: timeMs(stop.timestamp) })
  const byName = new Map(stop.offsets.map((entry) => [partitionName(entry), entry.offset]))
  return partitions.map((partition) => byName.get(partitionName(partition)) ?? null)
}

function withoutOffset(
  start: Extract<StartOffsets, { readonly otherwise?: unknown }>,
  partitions: readonly TopicPartition[],
): TidemarkError {
  const names = partitions.slice(0, 5).map(partitionName).join(', ')
  const more = partitions.length > 5 ? ` and ${partitions.length - 5} more` : ''
  const what = 'group' in start ? `group ${start.group} has committed no offset` : 'start.offsets has no offset'
  return new TidemarkError('INVALID_OPTION', `${what} for ${names}${more}`, {
    action: `Give start.otherwise: 'earliest' or 'latest', for partitions without an offset.`,
  })
}
