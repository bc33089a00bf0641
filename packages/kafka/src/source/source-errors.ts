import { TidemarkError } from 'tidemark/connector'
import type { KafkaError, PartitionOffset } from '../client/contract.ts'
import { partitionName } from './partition-split.ts'

/** A request has failed for good, or for too long. `what` begins the message: `source orders cannot find its partitions`. */
export function requestFailed(
  what: string,
  brokers: string,
  error: unknown,
  code: 'SOURCE_FAILED' | 'INVALID_OPTION' = 'SOURCE_FAILED',
): TidemarkError {
  const reason = error instanceof Error ? error.message : String(error)
  return new TidemarkError(code, `${what} (brokers ${brokers}): ${reason}`, {
    action: actionFor(isKafkaError(error) ? error.code : ''),
    cause: error,
  })
}

export function isKafkaError(error: unknown): error is KafkaError {
  return error instanceof Error && error.name === 'KafkaError'
}

export function outOfRange(at: PartitionOffset, earliest: number, latest: number): TidemarkError {
  const place = `${partitionName(at)}@${at.offset}`
  const isBefore = at.offset < earliest
  const problem = isBefore
    ? `is not there any more: the partition begins at ${earliest} now, ${earliest - at.offset} offsets are gone`
    : `is behind the end: the partition ends at ${latest}, so that records which were read are gone`
  return new TidemarkError('INPUT_LOST', `${place} ${problem}`, {
    action: isBefore
      ? `Keep records for longer than the job may be down (retention.ms, retention.bytes). To go on without what is gone: onOutOfRange: 'earliest'.`
      : `Find out what became of the records (an unclean leader election?). To go on at the end: onOutOfRange: 'latest'.`,
    context: { position: place },
  })
}

/** Records that were read are not in the log of the leader. `end`: from there on it differs; null where it knows nothing of them. */
export function cutOff(at: PartitionOffset, epoch: number, end: number | null): TidemarkError {
  const place = `${partitionName(at)}@${at.offset}`
  const what =
    end === null
      ? `the leader knows nothing of the records of leader epoch ${epoch} that were read before`
      : `what was read from offset ${end} on (leader epoch ${epoch}) was cut off, and may have been written anew`
  return new TidemarkError('INPUT_LOST', `${place}: ${what}`, {
    action: `Find out what became of the records (an unclean leader election, a lost disk?). Results hold what was read of them. To go on with what is there now: onOutOfRange: 'earliest' or 'latest'.`,
    context: { position: place },
  })
}

export function topicDeleted(topic: string, isMadeAgain: boolean): TidemarkError {
  const again = isMadeAgain ? ' and made again: offsets of the old one mean nothing in the new one' : ''
  return new TidemarkError('INPUT_LOST', `topic ${topic} was deleted${again}`, {
    action: `Start afresh (--fresh), or give onDeletedTopic: 'end', with which its partitions count as ended.`,
  })
}

export function unreadable(place: string, error: unknown): TidemarkError {
  const reason = error instanceof Error ? error.message : String(error)
  if (isKafkaError(error) && error.code === 'UNSUPPORTED_COMPRESSION_TYPE') {
    return new TidemarkError('UNSUPPORTED', `${place}: ${reason}`, {
      action:
        'Run the job with Node 22.15 or newer, or have the topic written with another compression (compression.type).',
      context: { position: place },
      cause: error,
    })
  }
  return new TidemarkError('CORRUPT_DATA', `${place}: ${reason}`, {
    action:
      'The batch is damaged in the log of the broker, or on the way from it. Look into the log with kafka-dump-log.sh.',
    context: { position: place },
    cause: error,
  })
}

function actionFor(code: string): string {
  if (code === 'AUTHENTICATION') return 'Check sasl: mechanism, user name and password have to be those of the brokers.'
  if (code === 'TLS')
    return 'Check tls: the authority (ca), the certificate, and the name in the certificate of the brokers.'
  if (code.endsWith('AUTHORIZATION_FAILED'))
    return 'Give this user the right to describe and read the topics (and groups).'
  return 'Check that brokers run at these addresses and can be reached from here, also at the addresses that they advertise.'
}
