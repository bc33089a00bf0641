import avsc from 'avsc'

/** What avsc reads from: not part of its documented API, and the version is pinned. It never fails at the end of the bytes, but goes on beyond it and reads zeros. */
interface Tap {
  readonly buf: Uint8Array
  pos: number
  readLong(): number
  readString(): string
  skipString(): void
}

/** A type, or what reads a writer's values into a reader's type. */
interface Reading {
  _read(tap: Tap): unknown
}

interface Skipping {
  _skip(tap: Tap): void
}

/** Of one record, in all its arrays: nulls, empty records. Any number of them takes no bytes, so that a few damaged ones could ask for as many as memory never holds. */
const MOST_EMPTY_ITEMS = 1 << 20

let emptyItems = 0

/** Before every record. */
export function beginRecord(): void {
  emptyItems = 0
}

/*
 * avsc believes what a block says of its size, and does not see that the bytes have ended, or that the size of a block to be skipped leads back: one damaged record would keep a
 * task busy, and its memory growing, for ever. Here every item has to lie within the bytes.
 */

/** Arrays whose items are within the bytes. */
export class BoundedArray extends avsc.types.ArrayType {
  // Called on resolvers, too, which have the same `itemsType`.
  _read(tap: Tap): unknown[] {
    const type = this.itemsType as unknown as Reading
    const items: unknown[] = []
    for (let count = blockCount(tap); count > 0; count = blockCount(tap)) {
      for (; count > 0; count--) {
        const start = tap.pos
        items.push(type._read(tap))
        checkItem(tap, start)
      }
    }
    return items
  }

  _skip(tap: Tap): void {
    const type = this.itemsType as unknown as Skipping
    skipBlocks(tap, () => type._skip(tap))
  }
}

/** Maps whose entries are within the bytes, under whatever name: `__proto__` is an entry like any other. */
export class BoundedMap extends avsc.types.MapType {
  _read(tap: Tap): Record<string, unknown> {
    const type = this.valuesType as unknown as Reading
    const map: Record<string, unknown> = {}
    for (let count = blockCount(tap); count > 0; count = blockCount(tap)) {
      for (; count > 0; count--) {
        const start = tap.pos
        const key = tap.readString()
        const value = type._read(tap)
        checkItem(tap, start)
        if (key === '__proto__') {
          Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true })
        } else map[key] = value
      }
    }
    return map
  }

  _skip(tap: Tap): void {
    const type = this.valuesType as unknown as Skipping
    skipBlocks(tap, () => {
      tap.skipString()
      type._skip(tap)
    })
  }
}

/** 0 behind the last block. */
function blockCount(tap: Tap): number {
  const count = tap.readLong()
  if (count >= 0) return count
  // A negative count has the bytes of the block behind it, for those who skip it.
  tap.readLong()
  return -count
}

function skipBlocks(tap: Tap, skipItem: () => void): void {
  for (;;) {
    let count = tap.readLong()
    if (count === 0) return
    if (count < 0) {
      const bytes = tap.readLong()
      if (bytes < 0 || bytes > tap.buf.length - tap.pos) throw new Error('a block is longer than what is there')
      tap.pos += bytes
      continue
    }
    for (; count > 0; count--) {
      const start = tap.pos
      skipItem()
      checkItem(tap, start)
    }
  }
}

function checkItem(tap: Tap, start: number): void {
  if (tap.pos > tap.buf.length) throw new Error('it is cut off')
  if (tap.pos === start && ++emptyItems > MOST_EMPTY_ITEMS) {
    throw new Error(`it counts more than ${MOST_EMPTY_ITEMS} items without content`)
  }
}
