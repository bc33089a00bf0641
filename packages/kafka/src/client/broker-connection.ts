import type { KafkaError } from './contract.ts'
import { isKafkaError, kafkaError } from './kafka-error.ts'
import type { Api } from './protocol/api.ts'
import { API_VERSIONS, type VersionRange } from './protocol/cluster-apis.ts'
import { type ConnectionSettings, WireConnection } from './wire-connection.ts'

/** The oldest Kafka whose brokers know all the versions that are asked for. */
const OLDEST_KAFKA = '3.1'
const FIRST_ANSWER = 'the first answer'

interface Established {
  readonly connection: WireConnection
  readonly versions: ReadonlyMap<number, VersionRange>
}

/** The way to one broker: connects when it is needed, and again with the next call after it was lost or its login has to be renewed. */
export class BrokerConnection {
  readonly host: string
  readonly port: number
  private readonly settings: ConnectionSettings
  private current: Promise<Established> | null = null
  private readonly connections = new Set<WireConnection>()
  private closed: KafkaError | null = null

  constructor(settings: ConnectionSettings, host: string, port: number) {
    this.settings = settings
    this.host = host
    this.port = port
  }

  /** Rejects with a KafkaError. `extraTimeMs`: how long the broker may take on top of what every request may. */
  async request<Request, Response>(api: Api<Request, Response>, request: Request, extraTimeMs = 0): Promise<Response> {
    const { connection, versions } = await this.connect()
    const version = negotiate(api, versions, connection.address)
    try {
      return await connection.send(api, version, request, this.settings.requestTimeoutMs + extraTimeMs)
    } finally {
      this.putAway(connection)
    }
  }

  /** Connected, logged in, and with the broker's versions known. */
  async connect(): Promise<Established> {
    for (;;) {
      if (this.closed !== null) throw this.closed
      const isNew = this.current === null
      const opening = (this.current ??= this.establish())
      try {
        const established = await opening
        // One that has just been opened is as good as any: a broker that ends each at once, or lets logins last for a moment, would be connected to without end.
        if (!mustReplace(established.connection) || isNew) return established
        this.putAway(established.connection)
      } catch (error) {
        if (this.current === opening) this.current = null
        throw error
      }
      if (this.current === opening) this.current = null
    }
  }

  close(reason: KafkaError): void {
    this.closed = reason
    this.current = null
    for (const connection of this.connections) connection.end(reason)
    this.connections.clear()
  }

  /** One whose login is over ends with its last answer. */
  private putAway(connection: WireConnection): void {
    if (!mustReplace(connection) || connection.inFlight > 0) return
    this.connections.delete(connection)
    connection.end(kafkaError('NETWORK', `${connection.address}: the login was renewed`))
  }

  private async establish(): Promise<Established> {
    const connection = new WireConnection(this.settings, this.host, this.port)
    this.connections.add(connection)
    let stage = 'connection'
    try {
      await connection.open()
      stage = FIRST_ANSWER
      const { maxVersion } = API_VERSIONS
      const answer = await connection.send(API_VERSIONS, maxVersion, null, this.settings.connectTimeoutMs)
      if (answer.error !== 0) throw tooOld(API_VERSIONS.name, maxVersion, connection.address)
      return { connection, versions: new Map(answer.ranges.map((range) => [range.key, range])) }
    } catch (error) {
      const failure = this.explained(error, stage, connection.address)
      this.connections.delete(connection)
      connection.end(failure)
      throw failure
    }
  }

  /** A broker that expects TLS just hangs up on somebody who does not speak it. */
  private explained(error: unknown, stage: string, address: string): KafkaError {
    if (!isKafkaError(error)) throw error
    if (stage !== FIRST_ANSWER || error.code !== 'NETWORK' || this.settings.secureContext !== null) return error
    return kafkaError(
      'NETWORK',
      `${address} hung up before its first answer. Does this listener expect TLS (option tls)?`,
    )
  }
}

function mustReplace(connection: WireConnection): boolean {
  return connection.hasEnded || performance.now() >= connection.renewAt
}

function negotiate(api: Api<never, unknown>, versions: ReadonlyMap<number, VersionRange>, address: string): number {
  const offered = versions.get(api.key)
  const version = Math.min(api.maxVersion, offered?.maxVersion ?? -1)
  if (version < api.minVersion) throw tooOld(api.name, api.minVersion, address)
  if (offered !== undefined && version < offered.minVersion) {
    throw kafkaError(
      'UNSUPPORTED_VERSION',
      `the broker ${address} offers ${api.name} only from version ${offered.minVersion} on, and version ${api.maxVersion} is the newest that is known here. Update @tidemark/kafka`,
    )
  }
  return version
}

function tooOld(name: string, version: number, address: string): KafkaError {
  return kafkaError(
    'UNSUPPORTED_VERSION',
    `the broker ${address} does not offer ${name} in version ${version}. Kafka ${OLDEST_KAFKA} or newer is needed`,
  )
}
