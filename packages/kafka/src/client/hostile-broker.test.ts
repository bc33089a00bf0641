import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type AnsweringBroker, answeringBroker, firstAnswer } from '../../../../test/kafka/answering-broker.ts'
import type { ClientSettings, KafkaClient, TlsSettings } from './contract.ts'
import { openKafkaClient } from './kafka-client.ts'
import { isKafkaError } from './kafka-error.ts'
import { WireWriter } from './protocol/wire.ts'

const METADATA = 3
const FIND_COORDINATOR = 10
const HANDSHAKE = 17
const API_VERSIONS = 18
const ADD_PARTITIONS = 24
const AUTHENTICATE = 36
const PASSWORD = 'hush-hush'

const clients: KafkaClient[] = []

function open(broker: AnsweringBroker, settings: Partial<ClientSettings> = {}): KafkaClient {
  const client = openKafkaClient({
    brokers: [{ host: '127.0.0.1', port: broker.port }],
    clientId: 'test',
    requestTimeoutMs: 2000,
    connectTimeoutMs: 2000,
    tls: null,
    sasl: null,
    ...settings,
  })
  clients.push(client)
  return client
}

afterEach(async () => {
  vi.unstubAllEnvs()
  for (const client of clients.splice(0)) await client.close()
})

async function failureOf(promise: Promise<unknown>): Promise<Error & { readonly code: string }> {
  const error: unknown = await promise.catch((failure: unknown) => failure)
  if (!isKafkaError(error)) expect.fail(`no KafkaError: ${inspect(error)}`)
  return error
}

function coordinatorAt(host: string, port: number): WireWriter {
  const writer = new WireWriter().int32(0)
  writer.array([0], () => writer.string('id').int32(1).string(host).int32(port).int16(0).string(null).end())
  return writer.end()
}

function metadataOf(host: string, port: number, topic: string | null = null): WireWriter {
  const writer = new WireWriter().int32(0)
  writer.array([0], () => writer.int32(1).string(host).int32(port).string(null).end())
  writer.string(null).int32(1)
  writer.array([0], () => {
    writer.int16(0).string(topic).uuid(null).boolean(false)
    writer
      .array([], () => {})
      .int32(0)
      .end()
  })
  return writer.end()
}

describe('a broker that', () => {
  test('ends every connection behind its first answer is not connected to without end', async () => {
    await using broker = await answeringBroker((key) =>
      key === API_VERSIONS ? (socket) => void socket.end(firstAnswer()) : null,
    )
    const client = open(broker)
    expect((await failureOf(client.topics([]))).code).toBe('NETWORK')
    expect(broker.connections).toBeLessThan(5)
  })

  test('lets logins last for no time is asked all the same, and not logged in to without end', async () => {
    await using broker = await answeringBroker((key) => {
      if (key === HANDSHAKE) return new WireWriter().int16(0).int32(0)
      if (key === AUTHENTICATE) return new WireWriter().int16(0).string(null).bytes(Buffer.alloc(0)).int64(1).end()
      return key === METADATA ? metadataOf('127.0.0.1', 1, 'orders') : null
    })
    const client = open(broker, { sasl: { mechanism: 'PLAIN', username: 'me', password: PASSWORD } })
    expect(await client.topics(['orders'])).toHaveLength(1)
    expect(broker.connections).toBeLessThan(5)
  })

  test.each([
    ['', 9092],
    ['a\0b', 9092],
    ['two words', 9092],
    ['x'.repeat(300), 9092],
    ['host', 0],
    ['host', -1],
    ['host', 65_536],
  ])('says that others are where nobody can be is not believed: %j %d', async (host, port) => {
    await using broker = await answeringBroker((key) =>
      key === METADATA ? metadataOf(host, port) : key === FIND_COORDINATOR ? coordinatorAt(host, port) : null,
    )
    const client = open(broker)
    expect((await failureOf(client.topics([]))).code).toBe('CORRUPT_MESSAGE')
    expect((await failureOf(client.describeTransaction('id'))).code).toBe('CORRUPT_MESSAGE')
  })

  test('tells of a topic without a name is not believed', async () => {
    await using broker = await answeringBroker((key) => (key === METADATA ? metadataOf('127.0.0.1', 1) : null))
    expect((await failureOf(open(broker).topics(null))).code).toBe('CORRUPT_MESSAGE')
  })

  test('does not say what became of a partition has not added it to the transaction', async () => {
    let port = 0
    await using broker = await answeringBroker((key) =>
      key === ADD_PARTITIONS
        ? new WireWriter()
            .int32(0)
            .array([], () => {})
            .end()
        : key === FIND_COORDINATOR
          ? coordinatorAt('127.0.0.1', port)
          : null,
    )
    ;({ port } = broker)
    const transaction = { transactionalId: 'id', producerId: 1n, producerEpoch: 0 }
    const added = open(broker).addPartitions(transaction, [{ topic: 'orders', partition: 0 }])
    expect((await failureOf(added)).code).toBe('CORRUPT_MESSAGE')
  })
})

describe('a login', () => {
  const scram = { mechanism: 'SCRAM-SHA-256', username: 'me', password: PASSWORD } as const

  test('ends at a message of the server that is none, and nothing else is sent', async () => {
    for (const first of ['nonsense', 'r=x,s=QUJD,i=4096', '', 'e=other', 'v=AAAA']) {
      await using broker = await answeringBroker((key) => {
        if (key === HANDSHAKE) return new WireWriter().int16(0).int32(0)
        const message = Buffer.from(first)
        return key === AUTHENTICATE ? new WireWriter().int16(0).string(null).bytes(message).int64(0).end() : null
      })
      expect((await failureOf(open(broker, { sasl: scram }).topics([]))).code).toBe('AUTHENTICATION')
      expect(broker.requests).toEqual([HANDSHAKE, AUTHENTICATE])
    }
  })

  test('is refused without the password, which a broker has given back, and shows it nowhere', async () => {
    await using broker = await answeringBroker((key) => {
      if (key === HANDSHAKE) return new WireWriter().int16(0).int32(0)
      const echo = `the password ${PASSWORD} is wrong`
      return key === AUTHENTICATE ? new WireWriter().int16(58).string(echo).bytes(Buffer.alloc(0)).int64(0).end() : null
    })
    const error = await failureOf(open(broker, { sasl: { ...scram, mechanism: 'PLAIN' } }).topics([]))
    expect(error.message).toContain('the password *** is wrong')
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(PASSWORD)
  })

  test('that would end a part of it early is not even begun', async () => {
    await using broker = await answeringBroker(() => null)
    for (const sasl of [
      { mechanism: 'PLAIN', username: 'me\0admin', password: PASSWORD },
      { mechanism: 'PLAIN', username: 'me', password: `${PASSWORD}\0` },
    ] as const) {
      const error = await failureOf(open(broker, { sasl }).topics([]))
      expect(error.code).toBe('AUTHENTICATION')
      expect(error.message).not.toContain(PASSWORD)
    }
    expect(broker.requests).toEqual([])
  })

  test('does not take an answer of megabytes from a server that has proved nothing', async () => {
    await using broker = await answeringBroker((key) =>
      key === HANDSHAKE ? (socket) => void socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1])) : null,
    )
    const error = await failureOf(open(broker, { sasl: scram }).topics([]))
    expect(error.message).toMatch(/CORRUPT_MESSAGE: .*where 65536 are the most/)
  })
})

const pem = (name: string) => readFileSync(new URL(`../../../../test/tls/${name}.pem`, import.meta.url), 'utf8')

describe('TLS', () => {
  const ca = pem('authority')
  const ask = async (name: string, tls: TlsSettings, host = '127.0.0.1', names: string[] = []) => {
    const served = { cert: pem(name), key: pem(`${name}.key`) }
    const SNICallback = (server: string, answer: (error: null) => void): void => {
      names.push(server)
      answer(null)
    }
    await using broker = await answeringBroker(
      (key) => (key === METADATA ? metadataOf('127.0.0.1', 1, 'orders') : null),
      { ...served, SNICallback },
    )
    return await open(broker, { tls, brokers: [{ host, port: broker.port }] }).topics(['orders'])
  }

  test('believes a broker whose certificate is signed by the authority and names its host', async () => {
    const names: string[] = []
    expect(await ask('server', { ca }, '127.0.0.1', names)).toHaveLength(1)
    // Addresses must not be told (RFC 6066).
    expect(names).toEqual([])
    expect(await ask('server', { ca }, 'localhost', names)).toHaveLength(1)
    expect(names).toEqual(['localhost'])
    expect(await ask('elsewhere', { ca, serverName: 'elsewhere.example' })).toHaveLength(1)
  })

  test.each<readonly [string, string, TlsSettings, RegExp]>([
    ['another host', 'elsewhere', { ca }, /does not match certificate's altnames/],
    ['another host than the one that is given', 'server', { ca, serverName: 'x.example' }, /does not match/],
    ['an expired certificate', 'expired', { ca }, /certificate has expired/],
    ['an authority that is not known', 'server', {}, /unable to verify the first certificate/],
  ])('does not believe one with %s, whatever the environment says', async (_, name, tls, message) => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    const error = await failureOf(ask(name, tls))
    expect(error.code).toBe('TLS')
    expect(error.message).toMatch(message)
  })
})
