import { dirname } from 'node:path'
import type * as Esbuild from 'esbuild'
import type { BuildFailure, BuildOptions, Message, OutputFile } from 'esbuild'
import { TidemarkError } from '../../core/errors.ts'
import { IDENTITY_DEFINES } from './module-identity.ts'

export interface BundlerOutput {
  readonly files: readonly OutputFile[]
  /** What the bundler found odd, for people. */
  readonly warnings: readonly string[]
  /** Names that the module exports. */
  readonly exports: readonly string[]
}

/** The bundler's service is one per process: it is stopped when nobody uses it, since it would keep tens of megabytes. */
let usersOfService = 0

/** Bundles one job file, in memory; `JOB_MODULE` with the places when it cannot be done. */
export async function runBundler(
  entry: string,
  options: Pick<BuildOptions, 'outfile' | 'plugins' | 'sourcemap' | 'banner'>,
): Promise<BundlerOutput> {
  const esbuild = await loadBundler(entry)
  usersOfService++
  try {
    const { outputFiles, warnings, metafile } = await esbuild.build({
      ...commonOptions(entry),
      ...options,
      write: false,
      metafile: true,
    })
    const texts = await esbuild.formatMessages(warnings, { kind: 'warning', color: false })
    const exports = Object.values(metafile.outputs).find(({ entryPoint }) => entryPoint !== undefined)?.exports ?? []
    return { files: outputFiles, warnings: texts.map((text) => text.trim()), exports }
  } catch (error) {
    if (!isBuildFailure(error)) throw bundlerFailed(entry, error)
    const texts = await esbuild.formatMessages(error.errors.map(withAdvice), { kind: 'error', color: false })
    throw new TidemarkError(
      'JOB_MODULE',
      `${entry} could not be bundled:\n\n${texts.map((text) => text.trim()).join('\n\n')}`,
      { action: 'Correct the places named above.', context: { file: entry } },
    )
  } finally {
    usersOfService--
    if (usersOfService === 0) await esbuild.stop()
  }
}

/** Only when something has to be bundled: loading and starting it takes longer than all the rest of a warm start. */
async function loadBundler(entry: string): Promise<typeof Esbuild> {
  try {
    return await import('esbuild')
  } catch (cause) {
    throw bundlerFailed(entry, cause)
  }
}

function commonOptions(entry: string): BuildOptions {
  return {
    entryPoints: [entry],
    // Paths in comments and in the source map are relative to it: equal sources give equal bytes wherever the command is given.
    absWorkingDir: dirname(entry),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    // None beyond Node's own, so that packages resolve exactly as Node would resolve them.
    conditions: [],
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'silent',
    define: { ...IDENTITY_DEFINES },
  }
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && 'errors' in error && Array.isArray(error.errors) && error.errors.length > 0
}

/** The bundler advises to mark as external what it cannot find; here the package has to be installed. */
function withAdvice(message: Message): Message {
  const missing = /^Could not resolve "([^"./#][^"]*)"$/.exec(message.text)?.[1]
  if (missing === undefined || missing.startsWith('node:')) return message
  return {
    ...message,
    notes: [{ text: `Install it: npm install ${packageNameOf(missing)}`, location: null }],
  }
}

/** `@scope/name` of `@scope/name/deep`. */
export function packageNameOf(specifier: string): string {
  const [scope = '', name = ''] = specifier.split('/')
  return scope.startsWith('@') ? `${scope}/${name}` : scope
}

function bundlerFailed(entry: string, cause: unknown): TidemarkError {
  return new TidemarkError('JOB_MODULE', `the bundler failed on ${entry}: ${messageOf(cause)}`, {
    action: 'Install the packages again, with their optional dependencies: esbuild brings its program in one of them.',
    context: { file: entry },
    cause,
  })
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
