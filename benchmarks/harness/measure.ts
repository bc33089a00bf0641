import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface ProcessCommand {
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** What a whole process took, from its start to its end, all its threads together. */
export interface Measured {
  readonly wallSeconds: number
  readonly cpuSeconds: number
  readonly peakRssMegabytes: number
  readonly stdout: string
}

/** GNU time: what the kernel counted for a process that has ended. */
const TIME = '/usr/bin/time'

/** Runs a process to its end. Throws, with what it wrote, when it fails. */
export async function measure({ argv, env = {} }: ProcessCommand): Promise<Measured> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-time-'))
  try {
    const report = join(directory, 'time')
    const start = performance.now()
    const output = await outputOf([TIME, '-f', '%U %S %M', '-o', report, ...argv], env)
    const wallSeconds = (performance.now() - start) / 1000
    const [user = 0, system = 0, kilobytes = 0] = (await readFile(report, 'utf8')).trim().split(' ').map(Number)
    return { wallSeconds, cpuSeconds: user + system, peakRssMegabytes: kilobytes / 1024, stdout: output }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function outputOf(argv: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const [command = '', ...rest] = argv
  return new Promise((resolve, reject) => {
    const child = spawn(command, rest, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(stdout)
      else reject(new Error(`exit code ${code}: ${argv.join(' ')}\n${stdout.slice(-2000)}\n${stderr.slice(-2000)}`))
    })
  })
}
