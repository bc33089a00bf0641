import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { keyDirectory } from './java-kit.ts'

export interface BrokerOptions {
  /** Lines of server.properties on top of those that a small broker needs. */
  readonly config?: Readonly<Record<string, string>>
  /** `mutual`: the broker asks clients for a certificate. */
  readonly tls?: boolean | 'mutual'
  /** PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 with `SASL_USER` and `SASL_PASSWORD`. */
  readonly sasl?: boolean
  /** Starts slower, and runs as fast as it can: for benchmarks. */
  readonly isMeasured?: boolean
}

export const SASL_USER = 'alice'
export const SASL_PASSWORD = 'the password of alice'

const FIRST_PORT = 15_000
const LAST_PORT = 32_000

/** A node's place in its cluster. */
export interface NodePlace {
  /** From 1. */
  readonly node: number
  /** Of the controllers of all nodes, by node. */
  readonly controllerPorts: readonly number[]
}

/** `ports`: without TLS and SASL, and with them. */
export async function serverProperties(
  options: BrokerOptions,
  directory: string,
  [plain, secure]: readonly [plain: number, secure: number],
  { node, controllerPorts }: NodePlace,
): Promise<string> {
  const isTls = (options.tls ?? false) !== false
  const protocol = `${options.sasl === true ? 'SASL_' : ''}${isTls ? 'SSL' : 'PLAINTEXT'}`
  const listeners = `PLAIN://127.0.0.1:${plain},SECURE://127.0.0.1:${secure}`
  const replicas = String(Math.min(controllerPorts.length, 3))
  const inSync = String(Math.min(controllerPorts.length, 2))
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': String(node),
    'controller.quorum.voters': controllerPorts.map((port, index) => `${index + 1}@127.0.0.1:${port}`).join(','),
    listeners: `${listeners},CONTROLLER://127.0.0.1:${controllerPorts[node - 1]}`,
    'advertised.listeners': listeners,
    'inter.broker.listener.name': 'PLAIN',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': `CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,SECURE:${protocol}`,
    'log.dirs': join(directory, 'store'),
    // How long a broker that was killed is taken for alive, and so not let in again.
    'broker.session.timeout.ms': '2000',
    'broker.heartbeat.interval.ms': '300',
    'num.partitions': '4',
    'auto.create.topics.enable': 'false',
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'transaction.state.log.num.partitions': '1',
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,
    'share.coordinator.state.topic.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
    'num.network.threads': '2',
    'num.io.threads': '2',
    'num.recovery.threads.per.data.dir': '1',
    'log.cleaner.dedupe.buffer.size': '2097152',
    'log.cleaner.threads': '1',
    ...(isTls ? tlsProperties(await keyDirectory(), options.tls === 'mutual') : {}),
    ...(options.sasl === true ? saslProperties() : {}),
    ...options.config,
  }
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

function tlsProperties(keys: string, isMutual: boolean): Record<string, string> {
  return {
    'listener.name.secure.ssl.keystore.type': 'PEM',
    'listener.name.secure.ssl.keystore.location': join(keys, 'broker.both.pem'),
    'listener.name.secure.ssl.truststore.type': 'PEM',
    'listener.name.secure.ssl.truststore.location': join(keys, 'authority.pem'),
    'listener.name.secure.ssl.client.auth': isMutual ? 'required' : 'none',
  }
}

function saslProperties(): Record<string, string> {
  const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule required'
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
  return {
    'listener.name.secure.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.secure.plain.sasl.jaas.config': `${plain} user_${SASL_USER}="${SASL_PASSWORD}";`,
    'listener.name.secure.scram-sha-256.sasl.jaas.config': scram,
    'listener.name.secure.scram-sha-512.sasl.jaas.config': scram,
  }
}

/** What formats a store whose users can log in by SCRAM. */
export function scramCredentials(): readonly string[] {
  return ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${SASL_USER},password=${SASL_PASSWORD}]`,
  ])
}

/**
 * Nobody listens on them now. Below those that systems hand out to connections: else one could take the port of a broker while that is dead.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = randomInt(FIRST_PORT, LAST_PORT)
    if (!ports.has(port) && (await isFree(port))) ports.add(port)
  }
  return [...ports]
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => void server.close(() => resolve(true)))
  })
}

/** What a broker says, on its standard output. */
export const LOGGING = `appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
`
