import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Of Kafka; another one for a whole run of the tests: `KAFKA_VERSION=3.9.1 npx vitest run test/kafka`. */
export const KAFKA_VERSION = process.env['KAFKA_VERSION'] ?? '4.3.1'
const LOG4J_VERSION = '2.25.4'
const ROOT = workspaceRoot()
const CACHE = join(ROOT, 'node_modules/.cache/kafka', KAFKA_VERSION)
const TOOLS_SOURCE = join(ROOT, 'test/kafka/java/KafkaTestTools.java')
const execute = promisify(execFile)

/** Why no broker can be started here, or null. */
export function missingForBroker(): string | null {
  const missing = [
    ...(isProgram('javac', '-version') ? [] : ['a Java development kit, version 17 or newer (java, javac, keytool)']),
    ...(existsSync(join(CACHE, 'libs')) || isProgram('mvn', '-version') ? [] : ['Maven (mvn)']),
  ]
  if (missing.length === 0) return null
  return `Tests with a real Kafka broker need ${missing.join(' and ')}. On Debian: apt-get install openjdk-17-jdk-headless maven; on macOS: brew install openjdk maven.`
}

function isProgram(name: string, argument: string): boolean {
  return spawnSync(name, [argument], { stdio: 'ignore' }).status === 0
}

export interface JavaKit {
  readonly classPath: string
  /** Where things that are made with this class path may be kept. */
  readonly directory: string
}

/** The broker and the tools of the tests: jars from Maven Central, fetched once per checkout; tools compiled once per version of their source. */
export async function javaKit(): Promise<JavaKit> {
  const libraries = join(CACHE, 'libs')
  await makeOnce(libraries, fetchLibraries)
  const source = await readFile(TOOLS_SOURCE)
  const directory = join(CACHE, `tools-${createHash('sha256').update(source).digest('hex').slice(0, 16)}`)
  await makeOnce(directory, async (target) => {
    const classes = join(target, 'classes')
    await execute('javac', ['-d', classes, '-cp', join(libraries, '*'), TOOLS_SOURCE])
    await execute('jar', ['--create', '--file', join(target, 'tools.jar'), '-C', classes, '.'])
  })
  // Jars by name, and nothing else: what Java can make an archive of.
  const jars = (await readdir(libraries)).toSorted().map((name) => join(libraries, name))
  return { classPath: [...jars, join(directory, 'tools.jar')].join(':'), directory }
}

/** Keys and certificates as PEM files: `authority.pem`, and of `broker` (for localhost) and `client`, both signed by it. */
export async function keyDirectory(): Promise<string> {
  const { classPath } = await javaKit()
  const directory = join(CACHE, 'keys')
  await makeOnce(directory, async (target) => {
    const store = join(target, 'keys.p12')
    const password = 'only-for-tests'
    const generate = (alias: string, ...options: readonly string[]) =>
      execute(
        'keytool',
        ['-genkeypair', '-alias', alias, '-dname', `CN=${alias}`, '-keyalg', 'EC', '-validity', '3650'].concat(
          ['-keystore', store, '-storetype', 'PKCS12', '-storepass', password],
          options,
        ),
      )
    await generate('authority', '-ext', 'bc:c')
    await generate('broker', '-signer', 'authority', '-ext', 'san=dns:localhost,ip:127.0.0.1')
    await generate('client', '-signer', 'authority')
    await execute('java', ['-cp', classPath, 'KafkaTestTools', 'export-keys', store, password])
    // What a broker takes as a key store.
    const [key, certificate] = [join(target, 'broker.key.pem'), join(target, 'broker.pem')]
    await writeFile(
      join(target, 'broker.both.pem'),
      (await readFile(key, 'utf8')) + (await readFile(certificate, 'utf8')),
    )
  })
  return directory
}

/** Also from a bundle, which lies below node_modules. */
function workspaceRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package-lock.json'))) folder = dirname(folder)
  return folder
}

function dependency(group: string, artifact: string, version: string): string {
  return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`
}

async function fetchLibraries(directory: string): Promise<void> {
  const project = `${directory}.pom.xml`
  await writeFile(
    project,
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tidemark</groupId><artifactId>kafka-broker</artifactId><version>1</version>
<dependencies>${dependency('org.apache.kafka', 'kafka_2.13', KAFKA_VERSION)}
${dependency('org.apache.logging.log4j', 'log4j-slf4j-impl', LOG4J_VERSION)}
${dependency('org.apache.logging.log4j', 'log4j-core', LOG4J_VERSION)}</dependencies></project>`,
  )
  try {
    await execute(
      'mvn',
      ['-q', '-B', '-f', project, 'dependency:copy-dependencies'].concat([
        '-DincludeScope=runtime',
        `-DoutputDirectory=${directory}`,
      ]),
    )
  } finally {
    await rm(project, { force: true })
  }
}

/** Makes a directory under another name and renames it when it is complete. Test processes that want the same one wait for the one that is making it. */
export async function makeOnce(target: string, make: (directory: string) => Promise<void>): Promise<void> {
  if (existsSync(target)) return
  await mkdir(dirname(target), { recursive: true })
  const unlock = await lock(`${target}.lock`)
  try {
    if (existsSync(target)) return
    const temporary = await mkdtemp(`${target}.tmp-`)
    try {
      await make(temporary)
      await rename(temporary, target)
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
  } finally {
    await unlock()
  }
}

/** A file that holds the process id of its owner; that of a dead one is taken away. */
export async function lock(file: string): Promise<() => Promise<void>> {
  for (;;) {
    try {
      const handle = await open(file, 'wx')
      await handle.writeFile(String(process.pid))
      await handle.close()
      return () => rm(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const owner = Number(await readFile(file, 'utf8').catch(() => ''))
    if (owner > 0 && !isAlive(owner)) await rm(file, { force: true })
    await delay(100)
  }
}

export function isAlive(processId: number): boolean {
  try {
    return process.kill(processId, 0)
  } catch {
    return false
  }
}
