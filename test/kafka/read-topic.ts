import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { BrokerAddress } from './broker.ts'
import { javaKit } from './java-kit.ts'

export interface ReadRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[]
}

/**
 * What Kafka's own consumer with `isolation.level=read_committed` finds in a topic, from its start to its last stable offset as of now. Brokers answer to a
 * commit before it can be seen: wait until the transaction is `CompleteCommit`.
 */
export function readCommitted(broker: BrokerAddress, topic: string): Promise<readonly ReadRecord[]> {
  return readTopic(broker, topic, 'read_committed')
}

/** The values of `readCommitted` as texts. */
export async function committedValues(broker: BrokerAddress, topic: string): Promise<readonly (string | null)[]> {
  return (await readCommitted(broker, topic)).map(({ value }) => value?.toString() ?? null)
}

export function readUncommitted(broker: BrokerAddress, topic: string): Promise<readonly ReadRecord[]> {
  return readTopic(broker, topic, 'read_uncommitted')
}

async function readTopic(broker: BrokerAddress, topic: string, isolation: string): Promise<readonly ReadRecord[]> {
  const { stdout } = await promisify(execFile)(
    'java',
    ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dlog4j2.level=OFF'].concat([
      '-cp',
      (await javaKit()).classPath,
      'KafkaTestTools',
      'read',
      broker.plainBootstrap,
      topic,
      isolation,
    ]),
    { maxBuffer: 2 ** 30 },
  )
  return stdout.split('\n').filter(Boolean).map(parseLine)
}

function parseLine(line: string): ReadRecord {
  const [partition, offset, timestamp, key, value, ...headers] = line.split('\t')
  return {
    partition: Number(partition),
    offset: Number(offset),
    timestamp: Number(timestamp),
    key: bytes(key!),
    value: bytes(value!),
    headers: Array.from(
      { length: headers.length / 2 },
      (_, index) => [bytes(headers[2 * index]!)!.toString(), bytes(headers[2 * index + 1]!)] as const,
    ),
  }
}

function bytes(text: string): Buffer | null {
  return text === '-' ? null : Buffer.from(text, 'base64')
}
