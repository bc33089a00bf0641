import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { Sink } from '../../core/sink.ts'
import type { Source } from '../../core/source.ts'
import { MemoryFileSystem } from '../simulator/memory-file-system.ts'
import { SeededRandom } from '../simulator/seeded-random.ts'
import { checkSinkContract } from './sink-contract.ts'
import { checkSourceContract } from './source-contract.ts'
import { Ledger } from './testing/toy-ledger.ts'

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url))

/** The module that an example of the guide is: the one that exports this name. */
async function example(exported: string): Promise<Readonly<Record<string, unknown>>> {
  const guide = readFileSync(`${ROOT}docs/guide/connectors.md`, 'utf8')
  const code = [...guide.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, text]) => text!)
  const found = code.find((text) => text.includes(`export function ${exported}`))
  if (found === undefined) throw new Error(`no example exports ${exported}`)
  const directory = `${ROOT}node_modules/.cache/guide-examples/`
  mkdirSync(directory, { recursive: true })
  writeFileSync(`${directory}${exported}.ts`, found)
  return (await import(pathToFileURL(`${directory}${exported}.ts`).href)) as Readonly<Record<string, unknown>>
}

describe('the examples of the guide keep their contracts', () => {
  it('the array as a source', async () => {
    const { elements } = (await example('elements')) as { readonly elements: <T>(array: readonly T[]) => Source<T> }
    for (const length of [0, 1, 999, 2500]) {
      const array = Array.from({ length }, (_, index) => `element ${index}`)
      const records = await checkSourceContract({
        create: () => elements(array),
        files: new MemoryFileSystem(),
        random: new SeededRandom(length),
        positions: 20,
      })
      expect([...records].sort()).toEqual([...array].sort())
    }
  })

  it('the table with transactions as a sink', async () => {
    const { table } = (await example('table')) as { readonly table: (database: object) => Sink<string, 'exactly-once'> }
    const played = await checkSinkContract<string>({
      environment: async () => {
        const ledger = new Ledger<string>()
        return {
          create: () => table(database(ledger)),
          files: new MemoryFileSystem(),
          committed: async () => ledger.committed,
          leftovers: async () => [...ledger.transactions.keys()],
          // It has no timeouts of its own: a database that stalls is its client's to give up on.
          disturb: (how) => (how === 'stalls' ? null : ledger.disturb(how)),
        }
      },
      record: (index) => `record ${index}`,
      keepsOrder: true,
    })
    expect(played.length).toBeGreaterThanOrEqual(20)
  })
})

function database(ledger: Ledger<string>) {
  return {
    insert: (name: string, records: readonly string[]) => ledger.call(() => ledger.add(name, records)),
    prepare: (name: string) => ledger.call(() => ledger.prepare(name)),
    commit: (name: string) => ledger.call(() => ledger.commit(name) === 'committed'),
    rollback: (name: string) => ledger.call(() => void ledger.transactions.delete(name)),
    transactions: (prefix: string) =>
      ledger.call(() => [...ledger.transactions.keys()].filter((name) => name.startsWith(prefix))),
    wasCommitted: (name: string) => ledger.call(() => ledger.committedNames.has(name)),
  }
}
