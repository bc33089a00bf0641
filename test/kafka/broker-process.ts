import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type BrokerOptions,
  freePorts,
  LOGGING,
  type NodePlace,
  scramCredentials,
  serverProperties,
} from './broker-properties.ts'
import { type JavaKit, javaKit, keyDirectory, makeOnce } from './java-kit.ts'

const START_TIMEOUT_MS = 100_000
const ORDERLY_END_MS = 30_000

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
  readonly isRunning: boolean
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

/** A store and ports for brokers that are one cluster; none of them runs yet. `place`: where the only one's store is to be. */
export async function prepareBrokers(
  owner: number,
  size: number,
  options: BrokerOptions,
  place: string | null = null,
): Promise<readonly BrokerProcess[]> {
  const ports = await freePorts(3 * size)
  const controllerPorts = ports.slice(2 * size)
  return Promise.all(
    Array.from({ length: size }, (_, index) => {
      const own = [ports[2 * index]!, ports[2 * index + 1]!] as const
      return prepareBroker(owner, options, own, { node: index + 1, controllerPorts }, place)
    }),
  )
}

async function prepareBroker(
  owner: number,
  options: BrokerOptions,
  ports: readonly [plain: number, secure: number],
  node: NodePlace,
  place: string | null,
): Promise<BrokerProcess> {
  const directory = place ?? (await mkdtemp(join(tmpdir(), 'tidemark-kafka-')))
  await mkdir(join(directory, 'store'), { recursive: true })
  const isSecure = options.sasl === true || (options.tls ?? false) !== false
  const keys = (options.tls ?? false) === false ? null : await readKeys()
  await writeFile(join(directory, 'log4j2.properties'), LOGGING)
  await writeFile(join(directory, 'server.properties'), await serverProperties(options, directory, ports, node))
  return new BrokerProcess({
    bootstrap: `127.0.0.1:${isSecure ? ports[1] : ports[0]}`,
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

export class BrokerProcess implements Broker {
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

  get isRunning(): boolean {
    return this.child !== null
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
        [`-Dlog4j2.configurationFile=${join(directory, 'log4j2.properties')}`, '-cp', kit.classPath],
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
    const broker = (await prepareBrokers(process.pid, 1, {}))[0]!
    try {
      await broker.launch(kit, ['-XX:TieredStopAtLevel=1', `-XX:ArchiveClassesAtExit=${join(target, 'classes.jsa')}`])
      await broker.shutDown()
    } finally {
      await broker.stop()
    }
  })
  return join(archive, 'classes.jsa')
}

async function readKeys(): Promise<BrokerAddress['keys']> {
  const directory = await keyDirectory()
  const read = (name: string) => readFile(join(directory, name), 'utf8')
  return { ca: await read('authority.pem'), cert: await read('client.pem'), key: await read('client.key.pem') }
}
