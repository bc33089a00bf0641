import { createSecureContext, type SecureContext } from 'node:tls'
import { BrokerConnection } from './broker-connection.ts'
import type { BrokerId, ClientSettings, KafkaError, TopicMetadata, TopicPartition } from './contract.ts'
import { brokerError, isKafkaError, kafkaError } from './kafka-error.ts'
import type { Api } from './protocol/api.ts'
import {
  type BrokerNode,
  type CoordinatorResponse,
  FIND_COORDINATOR,
  METADATA,
  type MetadataResponse,
} from './protocol/cluster-apis.ts'
import type { ConnectionSettings } from './wire-connection.ts'

/** What a connection is for: a long poll must not stand before requests that somebody waits for. */
type Purpose = 'fetch' | 'other'

/** Transactional ids are used once: only those of late are worth remembering. */
const MAX_COORDINATORS = 10_000
const LARGEST_PORT = 65_535
/** Answers after which the same leader need not be asked again. */
const STALE_LEADER: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REPLICA_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'UNKNOWN_TOPIC_ID',
  'INCONSISTENT_TOPIC_ID',
  'NETWORK',
  'TIMEOUT',
])
const STALE_COORDINATOR: ReadonlySet<string> = new Set([
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'NETWORK',
  'TIMEOUT',
])
/** What is said of a broker as the first of several to be asked. */
const MAY_ASK_ANOTHER: ReadonlySet<string> = new Set(['NETWORK', 'TIMEOUT'])

/** Knows the brokers of a cluster, their connections, and who leads and coordinates what, until an answer says otherwise. */
export class Cluster {
  readonly settings: ClientSettings
  private readonly brokers = new Map<BrokerId, BrokerNode>()
  private readonly connections = new Map<string, BrokerConnection>()
  private readonly leaders = new Map<string, ReadonlyMap<number, BrokerId>>()
  private readonly coordinators = new Map<string, BrokerId>()
  /** Address of the broker that answered last: asked first. */
  private preferred: string | null = null
  private secureContext: SecureContext | null = null
  private closed: KafkaError | null = null

  constructor(settings: ClientSettings) {
    this.settings = settings
  }

  close(): void {
    this.closed ??= kafkaError('CLOSED', 'the client was closed')
    for (const connection of this.connections.values()) connection.close(this.closed)
    this.connections.clear()
  }

  /** To the first broker that can be reached. */
  async askAny<Request, Response>(api: Api<Request, Response>, request: Request, extraTimeMs = 0): Promise<Response> {
    const connection = await this.anyConnection()
    try {
      return await connection.request(api, request, extraTimeMs)
    } catch (error) {
      // Next time another one, if there is one.
      if (isKafkaError(error) && MAY_ASK_ANOTHER.has(error.code)) this.preferred = null
      throw error
    }
  }

  async ask<Request, Response>(
    broker: BrokerId,
    purpose: Purpose,
    api: Api<Request, Response>,
    request: Request,
    extraTimeMs = 0,
  ): Promise<Response> {
    if (!this.brokers.has(broker)) await this.metadata([])
    const node = this.brokers.get(broker)
    if (node === undefined)
      throw kafkaError('LEADER_NOT_AVAILABLE', `the cluster has no broker ${broker} at the moment`)
    return this.connectionTo(node, purpose).request(api, request, extraTimeMs)
  }

  /** To the coordinator of a group or transactional id, found anew after it was told that it has moved. */
  async askCoordinator<Request, Response>(
    kind: number,
    key: string,
    api: Api<Request, Response>,
    request: Request,
  ): Promise<Response> {
    const broker = await this.coordinator(kind, key)
    try {
      return await this.ask(broker, 'other', api, request)
    } catch (error) {
      this.onCoordinatorError(kind, key, error)
      throw error
    }
  }

  onCoordinatorError(kind: number, key: string, error: unknown): void {
    if (isKafkaError(error) && STALE_COORDINATOR.has(error.code)) this.coordinators.delete(`${kind}:${key}`)
  }

  private async coordinator(kind: number, key: string): Promise<BrokerId> {
    const known = this.coordinators.get(`${kind}:${key}`)
    if (known !== undefined && this.brokers.has(known)) return known
    const [found] = await this.askAny<{ kind: number; key: string }, readonly CoordinatorResponse[]>(FIND_COORDINATOR, {
      kind,
      key,
    })
    if (found === undefined) throw kafkaError('COORDINATOR_NOT_AVAILABLE', `nobody coordinates ${key}`)
    const error = brokerError(found.error, `the coordinator of ${key}`)
    if (error !== null) throw error
    this.learnBroker(found.broker)
    const [oldest] = this.coordinators.keys()
    if (this.coordinators.size >= MAX_COORDINATORS && oldest !== undefined) this.coordinators.delete(oldest)
    this.coordinators.set(`${kind}:${key}`, found.broker.id)
    return found.broker.id
  }

  async metadata(names: readonly string[] | null): Promise<MetadataResponse> {
    const response = await this.askAny(METADATA, names)
    const ids = new Set(response.brokers.map(({ id }) => id))
    for (const node of response.brokers) this.learnBroker(node)
    // What is not there at the moment may be there again: its connections stay, and so does nothing else.
    for (const id of this.brokers.keys()) if (!ids.has(id)) this.brokers.delete(id)
    return response
  }

  learnLeaders(topics: readonly TopicMetadata[]): void {
    for (const { name, partitions } of topics) {
      const leaders = partitions.flatMap(({ partition, leader }) =>
        leader === null ? [] : [[partition, leader] as const],
      )
      this.leaders.set(name, new Map(leaders))
    }
  }

  /** Undefined where it is not known. */
  leader({ topic, partition }: TopicPartition): BrokerId | undefined {
    return this.leaders.get(topic)?.get(partition)
  }

  onLeaderError(topic: string, error: KafkaError | null): void {
    if (error !== null && STALE_LEADER.has(error.code)) this.leaders.delete(topic)
  }

  brokerIds(): readonly BrokerId[] {
    return [...this.brokers.keys()]
  }

  private learnBroker(node: BrokerNode): void {
    if (!/^[\w.:%-]{1,255}$/.test(node.host) || node.port < 1 || node.port > LARGEST_PORT) {
      const address = JSON.stringify(addressOf(node)).slice(0, 300)
      throw kafkaError('CORRUPT_MESSAGE', `broker ${node.id} was said to be at ${address}, which is no address`)
    }
    const known = this.brokers.get(node.id)
    this.brokers.set(node.id, node)
    if (known === undefined || addressOf(known) === addressOf(node)) return
    for (const purpose of ['fetch', 'other'] as const) {
      const key = `${purpose} ${addressOf(known)}`
      this.connections.get(key)?.close(kafkaError('NETWORK', `broker ${node.id} has moved to ${addressOf(node)}`))
      this.connections.delete(key)
    }
  }

  private async anyConnection(): Promise<BrokerConnection> {
    const failures: KafkaError[] = []
    for (const candidate of this.candidates()) {
      const connection = this.connectionTo(candidate, 'other')
      try {
        await connection.connect()
        this.preferred = addressOf(candidate)
        return connection
      } catch (error) {
        if (!isKafkaError(error) || !MAY_ASK_ANOTHER.has(error.code)) throw error
        failures.push(error)
      }
    }
    const [only] = failures
    if (failures.length === 1 && only !== undefined) throw only
    throw kafkaError('NETWORK', `no broker can be reached: ${failures.map(({ message }) => message).join('; ')}`)
  }

  /** The one that answered last, the brokers of the cluster, and where the first connection is made. */
  private candidates(): readonly { readonly host: string; readonly port: number }[] {
    const all = new Map(
      [...this.brokers.values(), ...this.settings.brokers].map((node) => [addressOf(node), node] as const),
    )
    const first = this.preferred === null ? undefined : all.get(this.preferred)
    return first === undefined ? [...all.values()] : [first, ...[...all.values()].filter((node) => node !== first)]
  }

  private connectionTo(node: { readonly host: string; readonly port: number }, purpose: Purpose): BrokerConnection {
    if (this.closed !== null) throw this.closed
    const key = `${purpose} ${addressOf(node)}`
    const known = this.connections.get(key)
    if (known !== undefined) return known
    const connection = new BrokerConnection(this.connectionSettings(), node.host, node.port)
    this.connections.set(key, connection)
    return connection
  }

  private connectionSettings(): ConnectionSettings {
    const { tls } = this.settings
    if (tls === null) return { ...this.settings, secureContext: null }
    const { ca, cert, key, passphrase } = tls
    for (const [name, text] of Object.entries({ ca, cert, key })) {
      if (text === undefined || text.includes('-----BEGIN ')) continue
      throw kafkaError('TLS', `tls.${name} is no PEM text (-----BEGIN …). Hand in what the file holds, not where it is`)
    }
    try {
      this.secureContext ??= createSecureContext({
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        ...(passphrase === undefined ? {} : { passphrase }),
      })
    } catch (error) {
      throw kafkaError('TLS', `the certificates or the key of tls cannot be used: ${(error as Error).message}`)
    }
    return { ...this.settings, secureContext: this.secureContext }
  }
}

function addressOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host}:${port}`
}
