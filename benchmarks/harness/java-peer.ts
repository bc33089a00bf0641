import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RunResult } from './compare.ts'
import { measure } from './measure.ts'
import { ROOT } from './root.ts'

const OPENED = ['java.util', 'java.lang', 'java.time', 'java.net', 'java.nio', 'java.util.concurrent']

interface PeerResult {
  readonly records: number
  readonly seconds: number
  readonly cpuSeconds: number
}

/** A program in Java below `benchmarks/peers`, which measures itself. */
export class JavaPeer {
  private readonly name: string
  private readonly main: string

  /** `name` is that of the folder and of the artifact without `-peer`. */
  constructor(name: string, main: string) {
    this.name = name
    this.main = main
  }

  /** Builds it when it is not built yet; false, said loudly, where Maven and Java 17 are missing. */
  isReady(): boolean {
    if (process.argv.includes(`--no-${this.name}`)) return false
    const project = join(ROOT, 'benchmarks/peers', this.name)
    if (existsSync(join(this.folder, 'lib')) && existsSync(this.jar) && isNewerThan(this.jar, project)) return true
    const goals = [
      'package',
      'dependency:copy-dependencies',
      '-DincludeScope=runtime',
      `-DoutputDirectory=${this.folder}/lib`,
    ]
    const { status } = spawnSync('mvn', ['-q', '-B', '-f', project, ...goals], { stdio: 'inherit' })
    if (status !== 0) console.log(`Without the peer ${this.name}: it needs Maven and Java 17.`)
    return status === 0
  }

  /** Runs it to its end. Its last line of output is its result; a folder that is removed afterwards is handed in as `folderOption`. */
  async run(counted: number, folderOption: string, ...rest: readonly string[]): Promise<RunResult> {
    const folder = await mkdtemp(join(tmpdir(), 'bench-peer-'))
    try {
      const { stdout, peakRssMegabytes } = await measure({ argv: [...this.command(), folderOption, folder, ...rest] })
      const { records, ...taken } = JSON.parse(stdout.trim().split('\n').at(-1)!) as PeerResult
      if (records !== counted) throw new Error(`${this.name} counted ${records} records, not ${counted}`)
      return { ...taken, peakRssMegabytes }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  command(): readonly string[] {
    const opens = OPENED.map((module) => `--add-opens=java.base/${module}=ALL-UNNAMED`)
    return ['java', '-Xmx4g', ...opens, '-cp', `${this.jar}:${this.folder}/lib/*`, this.main]
  }

  private get folder(): string {
    return join(ROOT, `node_modules/.cache/${this.name}-peer`)
  }

  private get jar(): string {
    return join(this.folder, `target/${this.name}-peer-1.jar`)
  }
}

/** Whether it was made after all that it is made of. */
function isNewerThan(made: string, folder: string): boolean {
  const { mtimeMs } = statSync(made)
  const entries = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const files = entries.map((entry) => statSync(join(folder, entry))).filter((entry) => entry.isFile())
  return files.every((file) => file.mtimeMs <= mtimeMs)
}
