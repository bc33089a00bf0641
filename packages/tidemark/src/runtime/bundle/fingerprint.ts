import { readdir, readFile, stat } from 'node:fs/promises'
import { nodeCrypto } from '../node-crypto.ts'

/** Something outside that a bundle depends on, and what it was like when the bundle was made. */
export interface Fingerprint {
  /** `content`: the bytes of a file. `modules`: the names in a folder that can be imported without extension. `presence`: whether it is there. */
  readonly kind: 'content' | 'modules' | 'presence'
  readonly path: string
  /** null: it was not there. */
  readonly state: string | null
}

/** Contents are compared, never times: an edit within the clock's granularity counts, a checkout that changes nothing does not. */
export async function fingerprint(kind: Fingerprint['kind'], path: string): Promise<Fingerprint> {
  return { kind, path, state: await stateOf(kind, path) }
}

export async function isUnchanged({ kind, path, state }: Fingerprint): Promise<boolean> {
  return (await stateOf(kind, path)) === state
}

export function sha256(content: string | Uint8Array): string {
  return nodeCrypto().createHash('sha256').update(content).digest('hex')
}

async function stateOf(kind: Fingerprint['kind'], path: string): Promise<string | null> {
  try {
    return await STATES[kind](path)
  } catch {
    return null
  }
}

const STATES: Readonly<Record<Fingerprint['kind'], (path: string) => Promise<string>>> = {
  content: async (path) => sha256(await readFile(path)),
  modules: async (path) => sha256(moduleNames(await readdir(path)).join('\n')),
  presence: async (path) => ((await stat(path)).isFile() ? 'file' : 'other'),
}

/** A new `shape.tsx` takes precedence over `shape.ts` and `shape/index.ts`, without any file having changed. */
function moduleNames(names: readonly string[]): readonly string[] {
  return names.filter((name) => /\.(?:[cm]?[jt]s|[jt]sx|json)$/.test(name)).sort()
}
