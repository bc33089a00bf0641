import type { Key, KeyPart } from './key.ts'

/** A key as one primitive by which a JavaScript Map tells keys apart exactly as Tidemark does. */
export type MapKey = string | number | bigint | boolean

const ESCAPE = '\u0000'

/**
 * The key itself, save for tuples: these become text that no other key becomes (it begins with NUL; strings that do so get a second one). Give it checked keys.
 */
export function mapKeyOf(key: Key): MapKey {
  if (typeof key === 'string') return key.charCodeAt(0) === 0 ? ESCAPE + key : key
  return typeof key === 'object' ? ESCAPE + key.map(partText).join('') : key
}

/** The inverse of `mapKeyOf`. */
export function keyOfMapKey(mapKey: MapKey): Key {
  if (typeof mapKey !== 'string' || mapKey.charCodeAt(0) !== 0) return mapKey
  if (mapKey.charCodeAt(1) === 0) return mapKey.slice(1)
  const parts: KeyPart[] = []
  for (let at = 1; at < mapKey.length;) {
    const colon = mapKey.indexOf(':', at)
    const end = colon + 1 + Number(mapKey.slice(at + 1, colon))
    parts.push(partOf(mapKey[at]!, mapKey.slice(colon + 1, end)))
    at = end
  }
  return parts as [KeyPart, ...KeyPart[]]
}

function partText(part: KeyPart): string {
  // `String(-0)` is '0', so the two zeros are one key here too.
  const text = String(part)
  return `${typeof part === 'bigint' ? 'i' : (typeof part)[0]!}${text.length}:${text}`
}

function partOf(type: string, text: string): KeyPart {
  switch (type) {
    case 's':
      return text
    case 'n':
      return Number(text)
    case 'i':
      return BigInt(text)
    default:
      return text === 'true'
  }
}
