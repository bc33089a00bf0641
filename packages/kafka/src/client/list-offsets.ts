import type { Cluster } from './cluster.ts'
import type {
  BrokerId,
  Isolation,
  KafkaError,
  OffsetAnswer,
  OffsetRequest,
  TopicMetadata,
  TopicPartition,
} from './contract.ts'
import { brokerError, isKafkaError, kafkaError } from './kafka-error.ts'
import { EARLIEST, LATEST, LIST_OFFSETS } from './protocol/record-apis.ts'

const NOT_FOUND = -1

type FindTopics = (names: readonly string[]) => Promise<readonly TopicMetadata[]>

/** Asks the leaders, each once for all its partitions, and again for the ends where a time is later than all records. */
export async function listOffsets(
  cluster: Cluster,
  findTopics: FindTopics,
  requests: readonly OffsetRequest[],
  isolation: Isolation,
): Promise<readonly OffsetAnswer[]> {
  const unknown = new Set(requests.filter((request) => cluster.leader(request) === undefined).map(({ topic }) => topic))
  const found = unknown.size === 0 ? [] : await findTopics([...unknown])
  const known = new Map(found.map((topic) => [topic.name, topic]))
  const answers: OffsetAnswer[] = Array.from({ length: requests.length })
  const byBroker = new Map<BrokerId, number[]>()
  for (const [index, request] of requests.entries()) {
    const leader = cluster.leader(request)
    if (leader === undefined) answers[index] = unanswered(request, missing(request, known))
    else byBroker.set(leader, [...(byBroker.get(leader) ?? []), index])
  }
  await Promise.all(
    [...byBroker].map(async ([broker, indices]) => {
      for (const round of withoutRepetitions(indices, requests)) {
        const asked = round.map((index) => requests[index]!)
        const answered = await askLeader(cluster, broker, asked, isolation)
        for (const [position, index] of round.entries()) answers[index] = answered[position]!
      }
    }),
  )
  const beyond = answers.flatMap(({ offset, error }, index) =>
    error === null && offset === NOT_FOUND && requests[index]!.at !== 'latest' ? [index] : [],
  )
  if (beyond.length === 0) return answers
  const ends = beyond.map((index) => ({
    topic: requests[index]!.topic,
    partition: requests[index]!.partition,
    at: 'latest' as const,
  }))
  const endAnswers = await listOffsets(cluster, findTopics, ends, isolation)
  for (const [position, index] of beyond.entries()) answers[index] = endAnswers[position]!
  return answers
}

/** A request may name a partition only once. */
function withoutRepetitions(
  indices: readonly number[],
  requests: readonly OffsetRequest[],
): readonly (readonly number[])[] {
  const rounds: number[][] = []
  const seen = new Map<string, number>()
  for (const index of indices) {
    const name = nameOf(requests[index]!)
    const round = seen.get(name) ?? 0
    seen.set(name, round + 1)
    ;(rounds[round] ??= []).push(index)
  }
  return rounds
}

async function askLeader(
  cluster: Cluster,
  broker: BrokerId,
  requests: readonly OffsetRequest[],
  isolation: Isolation,
): Promise<readonly OffsetAnswer[]> {
  const partitions = requests.map(({ topic, partition, at }) => ({
    topic,
    partition,
    timestamp: at === 'earliest' ? EARLIEST : at === 'latest' ? LATEST : at.timestampMs,
  }))
  const request = { isolation: isolation === 'committed' ? 1 : 0, partitions }
  try {
    const listed = await cluster.ask(broker, 'other', LIST_OFFSETS, request)
    const byName = new Map(listed.map((each) => [nameOf(each), each]))
    return requests.map((each) => {
      const { topic, partition } = each
      const answer = byName.get(nameOf(each))
      if (answer === undefined)
        return unanswered(each, kafkaError('UNKNOWN_SERVER_ERROR', `no offset of ${nameOf(each)}`))
      const error = brokerError(answer.error, `the offset of ${nameOf(each)}`)
      cluster.onLeaderError(topic, error)
      return { topic, partition, offset: answer.offset, error }
    })
  } catch (error) {
    if (!isKafkaError(error) || error.code === 'CLOSED') throw error
    for (const { topic } of requests) cluster.onLeaderError(topic, error)
    return requests.map((each) => unanswered(each, error))
  }
}

function missing(request: OffsetRequest, known: ReadonlyMap<string, TopicMetadata>): KafkaError {
  const exists = known.get(request.topic)?.partitions.some(({ partition }) => partition === request.partition) ?? false
  return exists
    ? kafkaError('LEADER_NOT_AVAILABLE', `${nameOf(request)} has no leader at the moment`)
    : kafkaError('UNKNOWN_TOPIC_OR_PARTITION', `${nameOf(request)} does not exist`)
}

function unanswered({ topic, partition }: TopicPartition, error: KafkaError): OffsetAnswer {
  return { topic, partition, offset: NOT_FOUND, error }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}
