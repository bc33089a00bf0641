import { isTidemarkError, SECRET } from 'tidemark/connector'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { ClientSettings } from './client/contract.ts'
import { kafka, kafkaThrough } from './kafka.ts'
import type { ClusterOptions } from './options.ts'
import { MemoryCluster } from './testing/memory-cluster.ts'
import { SourceKit } from './testing/source-kit.ts'

const brokers = 'localhost:9092'
const secret = (name: string) => ({ [SECRET]: true, secret: name }) as const

describe('options of a cluster', () => {
  it.each<[string, unknown]>([
    ['brokers', { brokers: '' }],
    ['brokers', { brokers: 'localhost' }],
    ['brokers', { brokers: [] }],
    ['brokers', { brokers: ['a:1', 'b:99999'] }],
    ['brokers', { brokers: 'kafka://a:1' }],
    ['brokers', {}],
    ['brokers', { brokers: 'me:hunter2@a:1' }],
    ['brokers', { brokers: ['a:1', 'sasl://me:hunter2@b:1'] }],
    ['"broker"', { brokers, broker: 'a:1' }],
    ['kafka()', null],
    ['clientId', { brokers, clientId: '' }],
    ['requestTimeout', { brokers, requestTimeout: '300ms' }],
    ['connectTimeout', { brokers, connectTimeout: 'soon' }],
    ['sasl.mechanism', { brokers, sasl: { mechanism: 'PLAIN', username: 'u', password: secret('P') } }],
    ['sasl.username', { brokers, sasl: { mechanism: 'plain', password: secret('P') } }],
    ['sasl.password', { brokers, sasl: { mechanism: 'plain', username: 'u', password: 'hunter2' } }],
    ['tls.key', { brokers, tls: { cert: 'c', key: 'hunter2' } }],
    ['tls', { brokers, tls: { cert: 'c' } }],
    ['"cafile"', { brokers, tls: { cafile: 'c' } }],
  ])('are refused by name where they cannot be (%s), without showing what may be a password', (name, options) => {
    const error = errorOf(() => kafka(options as ClusterOptions))
    expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(name) })
    expect(error.message + error.action).not.toContain('hunter2')
  })

  it('reach clients with defaults, and secrets looked up only then', async () => {
    const opened: ClientSettings[] = []
    const names: string[] = []
    const cluster = new MemoryCluster()
    cluster.createTopic('orders', 1)
    const options: ClusterOptions = {
      brokers: ['a:1', ' [::1]:2 '],
      tls: { ca: 'the authority', cert: secret('CERT'), key: secret('KEY'), serverName: 'kafka' },
      sasl: { mechanism: 'scram-sha-512', username: secret('USER'), password: secret('PASSWORD') },
    }
    const through = kafkaThrough(options, (settings) => {
      opened.push(settings)
      return cluster.client()
    })
    const source = through.topic('orders', { stop: 'latest' })
    expect(source.describe).toMatchObject({ brokers: 'a:1, [::1]:2' })
    expect(JSON.stringify(source)).not.toMatch(/PASSWORD|KEY/)
    const kit = await SourceKit.start({
      source,
      secret: (name) => {
        names.push(name)
        return `the ${name}`
      },
    })
    await kit.close()
    expect(opened[0]).toEqual({
      brokers: [
        { host: 'a', port: 1 },
        { host: '::1', port: 2 },
      ],
      clientId: 'tidemark',
      requestTimeoutMs: 30_000,
      connectTimeoutMs: 10_000,
      tls: { ca: 'the authority', cert: 'the CERT', key: 'the KEY', serverName: 'kafka' },
      sasl: { mechanism: 'SCRAM-SHA-512', username: 'the USER', password: 'the PASSWORD' },
    })
    expect(new Set(names)).toEqual(new Set(['CERT', 'KEY', 'USER', 'PASSWORD']))
  })
})

describe('options of a topic', () => {
  it.each<[string, unknown, unknown]>([
    ['no topic is named', [], {}],
    ['"my topic"', 'my topic', {}],
    ['"a,b"', 'a,b', {}],
    ['start', 'orders', { start: 'beginning' }],
    ['start.timestamp', 'orders', { start: { timestamp: new Date('never') } }],
    ['start.group', 'orders', { start: { group: '' } }],
    ['start.otherwise', 'orders', { start: { group: 'g', otherwise: 'middle' } }],
    ['start.offsets', 'orders', { start: { offsets: [{ topic: 'orders', partition: 0, offset: -1 }] } }],
    ['twice', 'orders', { stop: { offsets: [0, 1].map((offset) => ({ topic: 'orders', partition: 0, offset })) } }],
    ['stop', 'orders', { stop: 'earliest' }],
    ['isolation', 'orders', { isolation: 'read_committed' }],
    ['discoveryInterval', 'orders', { discoveryInterval: 0 }],
    ['group', 'orders', { group: '' }],
    ['onOutOfRange', 'orders', { onOutOfRange: 'skip' }],
    ['onDeletedTopic', 'orders', { onDeletedTopic: 'skip' }],
    ['onBadRecord', 'orders', { onBadRecord: 'ignore' }],
    ['fetchAheadBytes', 'orders', { fetchAheadBytes: 1.5 }],
    ['unavailableTimeout', 'orders', { unavailableTimeout: 'never' }],
    ['"from"', 'orders', { from: 'earliest' }],
    ['value', 'orders', { value: 'json' }],
    ['key', 'orders', { key: { kind: 'text', createDecoding: () => ({ decode: String }) } }],
  ])('are refused by name where they cannot be: %s', (name, topics, options) => {
    const error = errorOf(() => kafka({ brokers }).topic(topics as string, options as object))
    expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(name) })
    expect(error.action).toBeTruthy()
  })

  it('mean JSON where no codec is named, checked by a schema where one is', async () => {
    const cluster = new MemoryCluster()
    cluster.createTopic('orders', 1)
    cluster.append('orders', 0, [{ value: '{"amount":1}' }, { value: '{"amount":"2"}' }])
    const through = kafkaThrough({ brokers }, () => cluster.client())
    const plain = await SourceKit.start({ source: through.topic('orders') })
    expect(plain.records).toEqual([{ amount: 1 }, { amount: '2' }])
    await plain.close()
    const value = z.object({ amount: z.coerce.number() })
    const checked = await SourceKit.start({ source: through.topic('orders', { value }) })
    expect(checked.records).toEqual([{ amount: 1 }, { amount: 2 }])
    await checked.close()
  })
})

function errorOf(make: () => unknown) {
  try {
    make()
  } catch (error) {
    if (isTidemarkError(error)) return error
    throw error
  }
  throw new Error('nothing was refused')
}
