import { execFile } from 'node:child_process'
import { createServer, type Server, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { inspect, promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ClientSettings, KafkaClient } from '../../packages/kafka/src/client/contract.ts'
import { type Broker, SASL_PASSWORD, SASL_USER, startBroker } from './broker.ts'
import {
  codeOf,
  fetchOnce,
  newTopic,
  openClient,
  openTransaction,
  produce,
  retrying,
  uniqueName,
  valuesOf,
} from './client-calls.ts'
import { describeWithBroker } from './describe-with-broker.ts'
import { committedValues } from './read-topic.ts'

const clients: KafkaClient[] = []

function open(bootstrap: string, overrides: Partial<ClientSettings> = {}): KafkaClient {
  const client = openClient(bootstrap, overrides)
  clients.push(client)
  return client
}

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
})

describeWithBroker('a client whose broker goes away', () => {
  let broker: Broker
  beforeAll(async () => {
    broker = await startBroker()
  })
  afterAll(() => broker?.stop())

  test('fails what is under way, and goes on when the broker is there again', async () => {
    const client = open(broker.bootstrap)
    const topic = await newTopic(client, 'killed')
    await produce(client, topic, ['before'])
    const fetch = codeOf(fetchOnce(client, topic, { offset: 1, maxWaitMs: 60_000 }))
    await client.topics([topic])
    await broker.kill()
    expect([await fetch, await codeOf(client.topics([topic]))]).toEqual(['NETWORK', 'NETWORK'])
    await broker.restart()
    await retrying(() => produce(client, topic, ['after']))
    expect(valuesOf((await fetchOnce(client, topic)).records)).toEqual(['before', 'after'])
  })

  test('commits a transaction of before the broker was killed', async () => {
    const client = open(broker.bootstrap)
    const topic = await newTopic(client, 'survives')
    const transaction = await openTransaction(client, uniqueName('survives'), topic, ['kept'])
    await broker.kill()
    await broker.restart()
    await retrying(() => client.endTransaction(transaction, 'commit'))
    expect(await committedValues(broker, topic)).toEqual(['kept'])
  })

  test('is told when a broker does not answer in time, and does not wait for it to close', async () => {
    const client = open(broker.bootstrap, { requestTimeoutMs: 300, connectTimeoutMs: 300 })
    // A broker that has just started may take longer.
    await retrying(() => client.topics([]))
    broker.freeze()
    try {
      await expect(client.topics([])).rejects.toThrow(/TIMEOUT: 127\.0\.0\.1:\d+ did not answer Metadata within 300 ms/)
      // On a new connection: the other one is not asked again, it may be dead for a long time.
      await expect(client.topics([])).rejects.toThrow(/TIMEOUT: 127\.0\.0\.1:\d+ did not answer ApiVersions/)
      await client.close()
    } finally {
      broker.thaw()
    }
    const other = open(broker.bootstrap)
    await retrying(() => other.topics([]))
  })

  test('finds a living broker among those it was given', async () => {
    const client = open(`127.0.0.1:1,nowhere.invalid:9092,${broker.bootstrap}`)
    expect(await client.topics(['none'])).toEqual([])
    const lost = open('127.0.0.1:1,127.0.0.1:2')
    await expect(lost.topics([])).rejects.toThrow(/NETWORK: no broker can be reached: .*127\.0\.0\.1:1.*127\.0\.0\.1:2/)
  })

  test('leaves nothing open: a process that has closed it ends by itself', async () => {
    const outfile = fileURLToPath(new URL('../../node_modules/.cache/kafka/ending-process.mjs', import.meta.url))
    await build({
      entryPoints: [fileURLToPath(new URL('ending-process.ts', import.meta.url))],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile,
      conditions: ['@tidemark/source'],
      logLevel: 'warning',
    })
    // Killed, and so rejected, if it did not.
    const { stdout } = await promisify(execFile)(process.execPath, [outfile, broker.bootstrap], { timeout: 60_000 })
    expect(stdout).toBe('closed\n')
  })
})

describeWithBroker('a client with TLS and SASL', () => {
  let broker: Broker
  beforeAll(async () => {
    broker = await startBroker({ tls: true, sasl: true, config: { 'connections.max.reauth.ms': '1500' } })
  })
  afterAll(() => broker?.stop())

  const tls = () => ({ ca: broker.keys!.ca })
  test.each(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)(
    'logs in with %s, and writes and reads',
    async (mechanism) => {
      const client = open(broker.bootstrap, { tls: tls(), sasl: login(mechanism) })
      const topic = await newTopic(client, 'secure')
      const transaction = await openTransaction(client, uniqueName('secure'), topic, [mechanism])
      await retrying(() => client.endTransaction(transaction, 'commit'))
      expect(valuesOf((await fetchOnce(client, topic)).records)).toEqual([mechanism])
    },
  )

  test.each(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)(
    'says that a login with %s was refused, and nothing of the password',
    async (mechanism) => {
      const client = open(broker.bootstrap, { tls: tls(), sasl: login(mechanism, 'not-the-password') })
      const error: unknown = await client.topics(null).catch((failure: unknown) => failure)
      expect(error).toMatchObject({ name: 'KafkaError', code: 'AUTHENTICATION', isRetriable: false })
      expect(String(error)).toMatch(/refused the login: .*Check mechanism, username and password/)
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('not-the-password')
    },
  )

  test('goes on over the end of its login, with calls under way', async () => {
    const client = open(broker.bootstrap, { tls: tls(), sasl: login('SCRAM-SHA-256') })
    const topic = await newTopic(client, 'renewed')
    const deadline = performance.now() + 5000
    let calls = 0
    // Over several logins, however slow the machine.
    while (performance.now() < deadline || calls <= 10) {
      await Promise.all([client.topics([topic]), fetchOnce(client, topic, { maxWaitMs: 50 })])
      calls++
    }
  })

  test('names what is wrong with TLS', async () => {
    const sasl = login('PLAIN')
    const messageWith = async (overrides: Partial<ClientSettings>, bootstrap = broker.bootstrap) =>
      String(
        await open(bootstrap, overrides)
          .topics([])
          .catch((error: unknown) => error),
      )
    expect(await messageWith({ tls: {}, sasl })).toMatch(/KafkaError: TLS: no TLS connection to .*certificate/)
    expect(await messageWith({ tls: { ...tls(), serverName: 'elsewhere' }, sasl })).toMatch(/TLS: .*elsewhere/)
    expect(await messageWith({ tls: { ca: '/etc/ca.pem' }, sasl })).toMatch(/TLS: tls\.ca is no PEM text/)
    const key = '-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n'
    expect(await messageWith({ tls: { ...tls(), key }, sasl })).toMatch(/TLS: .*cannot be used/)
    expect(await messageWith({ tls: tls() }, broker.plainBootstrap)).toMatch(
      /TLS: .*hung up when it was spoken to in TLS/,
    )
    expect(await messageWith({})).toMatch(/NETWORK: .*Does this listener expect TLS/)
  })

  test('has to log in where the broker wants it', async () => {
    const client = open(broker.bootstrap, { tls: tls() })
    expect(await codeOf(client.topics([]))).toBe('NETWORK')
  })
})

describeWithBroker('a client that shows a certificate', () => {
  let broker: Broker
  beforeAll(async () => {
    broker = await startBroker({ tls: 'mutual' })
  })
  afterAll(() => broker?.stop())

  test('is let in with one, and not without', async () => {
    const { ca, cert, key } = broker.keys!
    const client = open(broker.bootstrap, { tls: { ca, cert, key } })
    expect(await client.topics(['none'])).toEqual([])
    const stranger = open(broker.bootstrap, { tls: { ca } })
    expect(await codeOf(stranger.topics([]))).toBe('TLS')
  })
})

describe('a client and something else than a broker of today', () => {
  let server: Server
  const serve = async (answer: (socket: Socket) => void) => {
    server = createServer((socket) => void socket.once('data', () => answer(socket)))
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    return open(`127.0.0.1:${(server.address() as { port: number }).port}`, { connectTimeoutMs: 2000 })
  }
  afterEach(() => void server.close())

  test('says from which version of Kafka on it works', async () => {
    const client = await serve((socket) => void socket.write(versions(0, { 3: 9 })))
    await expect(client.topics([])).rejects.toThrow(
      /UNSUPPORTED_VERSION: the broker 127\.0\.0\.1:\d+ does not offer Metadata in version 12\. Kafka 3\.1 or newer/,
    )
  })

  test('says so also where not even the versions can be asked for', async () => {
    const client = await serve((socket) => void socket.write(versions(35, {})))
    expect(await codeOf(client.topics([]))).toBe('UNSUPPORTED_VERSION')
  })

  test('does not wait until a broker that reads nothing has read everything when it is closed', async () => {
    let connected: Socket | null = null
    const client = await serve((socket) => {
      connected = socket
      socket.write(versions(0, { 19: 7 }))
      socket.pause()
    })
    const bytes = 30_000_000
    const call = codeOf(client.createTopic('x'.repeat(bytes), { partitions: 1 }))
    // Refused when the connection stands, and so after the other was written.
    expect(await codeOf(client.topics([]))).toBe('UNSUPPORTED_VERSION')
    await client.close()
    expect(await call).toBe('CLOSED')
    const socket = connected as Socket | null
    let received = 0
    const closed = new Promise<void>((resolve) => void socket!.once('close', () => resolve()))
    socket!.on('data', (chunk) => (received += chunk.length)).on('error', () => {})
    socket!.resume()
    await closed
    expect(received).toBeLessThan(bytes)
  })

  test('does not take nonsense for an answer', async () => {
    const client = await serve((socket) => void socket.write(Buffer.from([0, 0, 0, 6, 0, 0, 0, 1, 0, 0])))
    expect(await codeOf(client.topics([]))).toBe('CORRUPT_MESSAGE')
    server.close()
    const other = await serve((socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'.repeat(10)))
    expect(['NETWORK', 'TIMEOUT', 'CORRUPT_MESSAGE']).toContain(await codeOf(other.topics([])))
  })
})

type Mechanism = 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'

function login(
  mechanism: Mechanism,
  password = SASL_PASSWORD,
): { mechanism: Mechanism; username: string; password: string } {
  return {
    mechanism,
    username: SASL_USER,
    password,
  }
}

/** An answer to ApiVersions, the first request (correlation 1): the newest version of each of these requests. */
function versions(error: number, newest: Readonly<Record<number, number>>): Buffer {
  const entries = Object.entries(newest).map(([key, version]) => {
    const entry = Buffer.alloc(7)
    entry.writeInt16BE(Number(key), 0)
    entry.writeInt16BE(version, 4)
    return entry
  })
  const head = Buffer.alloc(11)
  head.writeInt32BE(1, 4)
  head.writeInt16BE(error, 8)
  head[10] = entries.length + 1
  const answer = Buffer.concat([head, ...entries, Buffer.alloc(5)])
  answer.writeInt32BE(answer.length - 4)
  return answer
}
