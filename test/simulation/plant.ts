import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'
import type { PlantedBug } from './planted-bugs.ts'

export interface Catch {
  readonly job: string
  readonly seed: number
  /** How many seeds were needed, from 1. */
  readonly seeds: number
  readonly promise: string
}

const ROOT = rootOf(fileURLToPath(import.meta.url))

/**
 * Runs the simulator with a mistake in the engine's sources, from seed 1, until one notices it; null when none of `seeds` does. The mistake is put in
 * while the sources are bundled: the engine has no hooks for it.
 */
export async function catchBug(bug: PlantedBug, seeds: number): Promise<Catch | null> {
  const outfile = join(ROOT, 'node_modules/.cache/simulation', `${bug.name.replaceAll(/\W+/g, '-')}.mjs`)
  mkdirSync(dirname(outfile), { recursive: true })
  await build({
    entryPoints: [join(ROOT, 'test/simulation/command.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    conditions: ['@tidemark/source'],
    external: ['esbuild'],
    logLevel: 'error',
    plugins: [planting(bug)],
  })
  const jobs = bug.jobs === undefined ? [] : ['--job', bug.jobs.join(',')]
  const output = await run([outfile, '--seeds', String(seeds), '--json', ...jobs])
  const found = /^\{.*\}$/m.exec(output)
  return found === null ? null : (JSON.parse(found[0]) as Catch)
}

function planting({ file, text, replacement, name }: PlantedBug): Plugin {
  const path = join(ROOT, 'packages/tidemark/src', file)
  return {
    name: 'plant',
    setup(setup) {
      setup.onLoad({ filter: /\.ts$/ }, async (args) => {
        if (args.path !== path) return null
        const source = await readFile(path, 'utf8')
        const parts = source.split(text)
        if (parts.length !== 2) {
          return { errors: [{ text: `'${name}': its text occurs ${parts.length - 1} times in ${file}, not once` }] }
        }
        return { contents: parts.join(replacement), loader: 'ts' }
      })
    },
  }
}

function run(command: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, command, { timeout: 900_000, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      // 1: a promise was broken, which is what is hoped for.
      if (error !== null && error.code !== 1) reject(new Error(`${error.message}\n${stderr}`))
      else resolve(stdout)
    })
  })
}

function rootOf(file: string): string {
  const end = file.includes('node_modules') ? file.indexOf('/node_modules/') : file.indexOf('/test/simulation/')
  return file.slice(0, end)
}
