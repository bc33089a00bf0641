import { relative, resolve } from 'node:path'
import type { BuildCommand } from './command-line.ts'
import { EXIT } from './exit-codes.ts'
import { formatBytes } from './format.ts'
import type { Host } from './host.ts'

/** What was built, as far as it is told. */
export interface Built {
  readonly file: string
  readonly bytes: number
  readonly manifest: string
  readonly inputs: readonly string[]
  readonly packages: Readonly<Record<string, string>>
  readonly warnings: readonly string[]
}

/** Builds a job and says what was written, what it needs, and how to run it. */
export async function buildCommand(
  { file, out }: BuildCommand,
  host: Host,
  build: (entry: string, directory: string) => Promise<Built>,
): Promise<number> {
  const built = await build(resolve(host.directory, file), resolve(host.directory, out))
  const short = (path: string) => relative(host.directory, path) || path
  for (const warning of built.warnings) host.stderr.write(`warning: ${warning}\n`)
  const packages = Object.entries(built.packages).map(([name, version]) => `${name} ${version}`)
  const count = built.inputs.length
  host.stderr.write(
    [
      `built    ${short(built.file)}: ${formatBytes(built.bytes)} from ${count} ${count === 1 ? 'file' : 'files'}`,
      `needs    ${['tidemark', ...packages].join(', ')}, as ${short(built.manifest)} says`,
      `run it   npx tidemark run ${short(built.file)}`,
      '',
    ].join('\n'),
  )
  return EXIT.finished
}
