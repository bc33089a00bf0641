import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isMainThread } from 'node:worker_threads'
import { isAlive, type JavaKit, javaKit, keyDirectory, lock, makeOnce } from './java-kit.ts'

const START_TIMEOUT_MS = 100_000
const ORDERLY_END_MS = 30_000

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

/** What is needed to talk to a running broker. */
export interface BrokerAddress {
  /** `host:port`, of the listener with TLS and SASL where they were asked for. */
  readonly bootstrap: string
  /** Always without TLS and SASL: for checks. */
  readonly plainBootstrap: string
  /** PEM texts, where the broker speaks TLS. */
  readonly keys: { readonly ca: string; readonly cert: string; readonly key: string } | null
}

/** One broker (and controller) of one's own; ends with the process that started it, however that ends. */
export interface Broker extends BrokerAddress {
  readonly directory: string
  /** Of the broker that runs now. */
  readonly processId: number
  /** Ends it for good and removes its store. */
  stop(): Promise<void>
  /** SIGKILL; its store stays. */
  kill(): Promise<void>
  /** Starts it again on its store and ports, after it was killed where it still ran. */
  restart(): Promise<void>
  /** SIGSTOP: connections stay open and nothing answers, until `thaw`. */
  freeze(): void
  thaw(): void
}

export function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  return startBrokerOf(process.pid, options)
}

/** One broker for all test files of a run: use topics, groups and transactional ids of your own, and neither kill nor configure it. */
export async function sharedBroker(): Promise<BrokerAddress> {
  // Test files run in children (or threads) of one process: the broker lives as long as that.
  const owner = isMainThread ? process.ppid : process.pid
  const directory = join(tmpdir(), `tidemark-kafka-shared-${owner}`)
  const file = join(directory, 'address.json')
  const unlock = await lock(`${directory}.lock`)
  try {
    const known = existsSync(file)
      ? (JSON.parse(await readFile(file, 'utf8')) as { address: BrokerAddress; processId: number })
      : null
    if (known !== null && isAlive(known.processId)) return known.address
    const broker = await startBrokerOf(owner, {}, directory)
    const address = { bootstrap: broker.bootstrap, plainBootstrap: broker.plainBootstrap, keys: broker.keys }
    await writeFile(file, JSON.stringify({ address, processId: broker.processId }))
    return address
  } finally {
    await unlock()
  }
}

/** A broker that ends with another process than this one. */
export async function startBrokerOf(
  owner: number,
  options: BrokerOptions = {},
  place: string | null = null,
): Promise<Broker> {
  for (let attempt = 1; ; attempt++) {
    const broker = await prepareBroker(owner, options, place)
    try {
      await broker.restart()
      return broker
    } catch (error) {
      await broker.stop()
      // Somebody else has taken a port between our look and the broker's.
      if (attempt === 3 || !String(error).includes('Address already in use')) throw error
    }
  }
}

async function prepareBroker(owner: number, options: BrokerOptions, place: string | null): Promise<BrokerProcess> {
  const directory = place ?? (await mkdtemp(join(tmpdir(), 'tidemark-kafka-')))
  await mkdir(join(directory, 'store'), { recursive: true })
  const ports = await freePorts(3)
  const isSecure = options.sasl === true || (options.tls ?? false) !== false
  const keys = (options.tls ?? false) === false ? null : await readKeys()
  await writeFile(join(directory, 'server.properties'), await serverProperties(options, directory, ports))
  return new BrokerProcess({
    bootstrap: `127.0.0.1:${isSecure ? ports[2] : ports[0]}`,
    plainBootstrap: `127.0.0.1:${ports[0]}`,
    keys,
    directory,
    owner,
    formatArguments: options.sasl === true ? scramCredentials() : [],
    isMeasured: options.isMeasured ?? false,
  })
}

interface BrokerPlace extends BrokerAddress {
  readonly directory: string
  /** The broker halts when this process has ended. */
  readonly owner: number
  readonly formatArguments: readonly string[]
  readonly isMeasured: boolean
}

class BrokerProcess implements Broker {
  readonly bootstrap: string
  readonly plainBootstrap: string
  readonly keys: BrokerAddress['keys']
  readonly directory: string
  private readonly place: BrokerPlace
  private child: ChildProcess | null = null
  private ended: Promise<void> = Promise.resolve()

  constructor(place: BrokerPlace) {
    this.place = place
    this.bootstrap = place.bootstrap
    this.plainBootstrap = place.plainBootstrap
    this.keys = place.keys
    this.directory = place.directory
  }

  get processId(): number {
    if (this.child?.pid === undefined) throw new Error('the broker does not run')
    return this.child.pid
  }

  async restart(): Promise<void> {
    await this.kill()
    const kit = await javaKit()
    // Read classes from an archive and compile them quickly: a third of the CPU of a start.
    const forStart = this.place.isMeasured ? [] : ['-XX:TieredStopAtLevel=1']
    await this.launch(kit, [...forStart, `-XX:SharedArchiveFile=${await classArchive(kit)}`])
  }

  async launch(kit: JavaKit, jvmOptions: readonly string[]): Promise<void> {
    const { directory, owner, formatArguments } = this.place
    const logFile = join(directory, `broker-${Date.now()}.log`)
    const log = openSync(logFile, 'a')
    const child = spawn(
      'java',
      ['-Xmx256m', '-XX:+UseSerialGC', '-Djava.awt.headless=true'].concat(
        jvmOptions,
        [`-Dlog4j2.configurationFile=${join(directory, 'log4j2.yaml')}`, '-cp', kit.classPath],
        ['KafkaTestTools', 'broker', String(owner), directory],
        formatArguments,
      ),
      { stdio: ['ignore', log, log], detached: true },
    )
    closeSync(log)
    // It outlives a test file that started it for others; its owner's end is what ends it.
    child.unref()
    this.child = child
    this.ended = new Promise((resolve) => {
      child.once('exit', () => {
        this.child = null
        resolve()
      })
      child.once('error', () => resolve())
    })
    await this.started(logFile)
  }

  private async started(logFile: string): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS
    for (;;) {
      const log = await readFile(logFile, 'utf8')
      if (log.includes('Kafka Server started')) return
      const hasEnded = this.child === null
      if (hasEnded || Date.now() > deadline) {
        const why = hasEnded ? 'The broker ended at its start' : `The broker did not start in ${START_TIMEOUT_MS} ms`
        throw new Error(`${why}:\n${log.slice(-4000)}`)
      }
      await delay(50)
    }
  }

  async kill(): Promise<void> {
    // Whoever waits for its end shall not end before it.
    this.child?.ref()
    this.child?.kill('SIGKILL')
    await this.ended
  }

  /** In order, so that the store is closed and Java writes what it writes at the end. */
  async shutDown(): Promise<void> {
    this.child?.ref()
    this.child?.kill('SIGTERM')
    await Promise.race([this.ended, delay(ORDERLY_END_MS)])
    await this.kill()
  }

  async stop(): Promise<void> {
    await this.kill()
    await rm(this.directory, { recursive: true, force: true })
  }

  freeze(): void {
    process.kill(this.processId, 'SIGSTOP')
    // The signal arrives at some time: until then an answer may still come.
    while (!isStopped(this.processId));
  }

  thaw(): void {
    process.kill(this.processId, 'SIGCONT')
  }
}

/** Every thread is. */
function isStopped(processId: number): boolean {
  const tasks = `/proc/${processId}/task`
  if (existsSync(tasks)) {
    return readdirSync(tasks).every((task) => /\) T /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8')))
  }
  return spawnSync('ps', ['-o', 'state=', '-p', String(processId)], { encoding: 'utf8' }).stdout.startsWith('T')
}

/** The classes of a broker that has started, as Java's class data sharing keeps them; made by a broker of its own. Without it (another Java) starts are slower. */
async function classArchive(kit: JavaKit): Promise<string> {
  const archive = join(kit.directory, 'archive')
  await makeOnce(archive, async (target) => {
    const broker = await prepareBroker(process.pid, {}, null)
    try {
      await broker.launch(kit, ['-XX:TieredStopAtLevel=1', `-XX:ArchiveClassesAtExit=${join(target, 'classes.jsa')}`])
      await broker.shutDown()
    } finally {
      await broker.stop()
    }
  })
  return join(archive, 'classes.jsa')
}

async function serverProperties(options: BrokerOptions, directory: string, ports: readonly number[]): Promise<string> {
  await writeFile(join(directory, 'log4j2.yaml'), LOGGING)
  const isTls = (options.tls ?? false) !== false
  const protocol = `${options.sasl === true ? 'SASL_' : ''}${isTls ? 'SSL' : 'PLAINTEXT'}`
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${ports[1]}`,
    listeners: `PLAIN://127.0.0.1:${ports[0]},CONTROLLER://127.0.0.1:${ports[1]},SECURE://127.0.0.1:${ports[2]}`,
    'advertised.listeners': `PLAIN://127.0.0.1:${ports[0]},SECURE://127.0.0.1:${ports[2]}`,
    'inter.broker.listener.name': 'PLAIN',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': `CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,SECURE:${protocol}`,
    'log.dirs': join(directory, 'store'),
    // How long a broker that was killed is taken for alive, and so not let in again.
    'broker.session.timeout.ms': '2000',
    'broker.heartbeat.interval.ms': '300',
    'num.partitions': '4',
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
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

function scramCredentials(): readonly string[] {
  return ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${SASL_USER},password=${SASL_PASSWORD}]`,
  ])
}

async function readKeys(): Promise<BrokerAddress['keys']> {
  const directory = await keyDirectory()
  const read = (name: string) => readFile(join(directory, name), 'utf8')
  return { ca: await read('authority.pem'), cert: await read('client.pem'), key: await read('client.key.pem') }
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(0, '127.0.0.1', resolve)
      })
      return server
    }),
  )
  return Promise.all(
    servers.map((server) => {
      const { port } = server.address() as { port: number }
      return new Promise<number>((resolve) => void server.close(() => resolve(port)))
    }),
  )
}

const LOGGING = `Configuration:
  Appenders:
    Console:
      name: STDOUT
      PatternLayout: { pattern: "[%d] %p %m (%c)%n" }
  Loggers:
    Root: { level: INFO, AppenderRef: [ { ref: STDOUT } ] }
`
