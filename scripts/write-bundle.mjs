import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'

/**
 * Makes the modules that a package is published as out of its sources: a start then loads a few files instead of hundreds.
 * @param {{ root: string, output: string, entryPoints: Record<string, string>, external: readonly string[] }} bundle
 */
export async function writeBundle({ root, output, entryPoints, external }) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints,
    outdir: output,
    bundle: true,
    // What several entries need exists once: a class, a symbol is the same whichever way it came.
    splitting: true,
    chunkNames: '[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    external: [...external],
    conditions: [],
    charset: 'utf8',
    // None: Node would read and parse them at every start. The code stays readable, with its names.
    sourcemap: false,
    logLevel: 'warning',
    write: false,
  })

  // Processes may be loading from here: what is the same stays, and what is new appears at once.
  await mkdir(output, { recursive: true })
  for (const { path, contents } of outputFiles) {
    const old = await readFile(path).catch(() => null)
    if (old?.equals(contents) === true) continue
    await writeFile(`${path}.tmp`, contents)
    await rename(`${path}.tmp`, path)
  }
  const written = new Set(outputFiles.map(({ path }) => path))
  const stale = (await readdir(output)).map((name) => join(output, name)).filter((path) => !written.has(path))
  await Promise.all(stale.map((path) => rm(path, { recursive: true, force: true })))
}
