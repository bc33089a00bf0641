import { ByteBuffer } from '../../core/byte-buffer.ts'
import { valueCodec } from '../../core/value-codec.ts'

/** How often each record occurs; records are equal when their encodings are. */
export type RecordBag = ReadonlyMap<string, number>

export function recordBag(records: Iterable<unknown>): RecordBag {
  const bag = new Map<string, number>()
  for (const record of records) {
    const key = encoded(record)
    bag.set(key, (bag.get(key) ?? 0) + 1)
  }
  return bag
}

/** What distinguishes the bags, for people; null when nothing does. */
export function describeDifference(actual: Iterable<unknown>, expected: Iterable<unknown>): string | null {
  const { lost, surplus } = difference(actual, expected)
  if (lost.length === 0 && surplus.length === 0) return null
  return `${lost.length} records are lost (${shown(lost)}), ${surplus.length} are there too often (${shown(surplus)})`
}

/** The encodings of records that are there too rarely and too often. */
export function difference(
  actual: Iterable<unknown>,
  expected: Iterable<unknown>,
): { readonly lost: readonly string[]; readonly surplus: readonly string[] } {
  const [is, shall] = [recordBag(actual), recordBag(expected)]
  const lost: string[] = []
  const surplus: string[] = []
  for (const key of new Set([...is.keys(), ...shall.keys()])) {
    const times = (is.get(key) ?? 0) - (shall.get(key) ?? 0)
    if (times < 0) lost.push(key)
    if (times > 0) surplus.push(key)
  }
  return { lost, surplus }
}

export function encoded(record: unknown): string {
  const buffer = new ByteBuffer()
  valueCodec.encode(record, buffer)
  return Buffer.from(buffer.take()).toString('latin1')
}

function shown(keys: readonly string[]): string {
  return keys
    .slice(0, 3)
    .map((key) => JSON.stringify(key.slice(0, 60)))
    .join(', ')
}
