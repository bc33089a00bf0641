import { spawn, spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PACKAGE = fileURLToPath(new URL('../../packages/tidemark', import.meta.url))
const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url))

/** The files of the package as they are published, made from the sources as they are; once per file of tests. */
export async function publishedFiles(): Promise<string> {
  const folder = await temporaryFolder('published')
  for (const name of ['bin', 'package.json']) await cp(join(PACKAGE, name), join(folder, name), { recursive: true })
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(PACKAGE, 'bundle.mjs'), await made(join(folder, 'dist/bundled'))],
    {
      encoding: 'utf8',
    },
  )
  if (status !== 0) throw new Error(stderr)
  return folder
}

export async function temporaryFolder(name: string): Promise<string> {
  return realpath(await mkdtemp(join(tmpdir(), `tidemark-${name}-`)))
}

/** A folder outside of the checkout with the package installed in it, as a copy: nothing of the checkout's own packages is in reach. */
export async function projectWith(
  published: string,
  { bundler = true, files = {} }: { readonly bundler?: boolean; readonly files?: Readonly<Record<string, string>> },
): Promise<string> {
  const folder = await temporaryFolder('project')
  await cp(published, await made(join(folder, 'node_modules/tidemark'), '..'), { recursive: true })
  if (bundler) {
    for (const name of ['esbuild', '@esbuild'])
      await symlink(join(MODULES, name), join(folder, 'node_modules', name), 'junction')
  }
  await writeAll(folder, files)
  return folder
}

export async function writeAll(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), content)
  }
}

async function made(folder: string, parent = '.'): Promise<string> {
  await mkdir(join(folder, parent), { recursive: true })
  return folder
}

type Event = Readonly<Record<string, unknown>> & { readonly kind: string }

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly events: readonly Event[]
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly folder: string
  /** For Node itself. */
  readonly nodeArguments?: readonly string[]
  /** Says at each event of `--json` which signal is sent. Only the first one is. */
  readonly signalAt?: (event: Event) => NodeJS.Signals | null
}

/** Runs the command line that is installed in a folder, there. */
export function tidemark(argv: readonly string[], options: CommandOptions): Promise<Ended> {
  const { folder, nodeArguments = [], signalAt = () => null } = options
  const program = join(folder, 'node_modules/tidemark/bin/tidemark.js')
  const child = spawn(process.execPath, [...nodeArguments, program, ...argv], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Not the test runner's: its cache folder, its conditions.
    env: { PATH: process.env['PATH'], XDG_CACHE_HOME: join(folder, 'cache') },
  })
  const events: Event[] = []
  const texts = { stdout: '', stderr: '' }
  let rest = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (texts.stderr += text))
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    texts.stdout += text
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines.filter((each) => each.startsWith('{"'))) {
      const event = JSON.parse(line) as Event
      events.push(event)
      const signal = signalAt(event)
      if (signal !== null && !child.killed) child.kill(signal)
    }
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, events, ...texts }))
  })
}

/** All committed lines of a file sink's folder, as values. */
export async function committed(folder: string): Promise<readonly unknown[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.jsonl'))
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
  return texts.flatMap((text) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown),
  )
}

export async function removeAll(folders: Iterable<string>): Promise<void> {
  await Promise.all([...folders].map((folder) => rm(folder, { recursive: true, force: true })))
}
