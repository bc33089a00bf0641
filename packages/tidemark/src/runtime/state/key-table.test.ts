import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Key } from '../../core/key.ts'
import { signedKeyHash } from '../../core/key-bytes.ts'
import { PageGroup } from './key-pages.ts'
import { KeyTable } from './key-table.ts'
import { ABSENT } from './state-column.ts'

/** A backend without snapshots, over few or many groups. */
class Site {
  readonly table = new KeyTable(2)
  readonly groups: PageGroup[]
  packed = 0

  constructor(groups: number) {
    this.groups = Array.from({ length: groups }, (_, group) => new PageGroup(group))
  }

  find(key: Key): number {
    const hash = signedKeyHash(key)
    const slot = this.table.find(key, hash)
    if (typeof key === 'number' && this.table.findNumber(key, hash) !== slot)
      throw new Error(`${key} is found in two ways`)
    return slot
  }

  set(key: Key, value: unknown): void {
    const hash = signedKeyHash(key)
    const known = this.find(key)
    this.table.set(known < 0 ? this.table.add(this.groupFor(hash), key, key, hash, 0) : known, 0, value)
  }

  remove(key: Key): void {
    const slot = this.find(key)
    if (slot >= 0) this.table.remove(slot, 0)
  }

  private groupFor(hash: number): PageGroup {
    const index = (hash >>> 0) % this.groups.length
    const group = this.groups[index]!
    if (!group.isSparse) return group
    this.packed++
    const packed = new PageGroup(index)
    this.groups[index] = packed
    this.table.pack(group, packed, 0)
    return packed
  }
}

const KEYS = 20_000
const keyOf = (index: number): Key => (index % 3 === 0 ? `k${index}` : index)

/** Keys `from`, `from` + `step`, …, `count` of them. */
const anyChange = fc.record({
  kind: fc.constantFrom('set' as const, 'set' as const, 'remove' as const),
  from: fc.nat(KEYS - 1),
  step: fc.integer({ min: 1, max: 4 }),
  count: fc.oneof(fc.nat(50), fc.nat(KEYS)),
})

/** Most keys of every group go, and others come: then it is packed. */
const PACKING = [
  { kind: 'set' as const, from: 0, step: 1, count: 12_000 },
  { kind: 'remove' as const, from: 100, step: 1, count: 11_000 },
  { kind: 'set' as const, from: 12_000, step: 1, count: 3000 },
]

describe('a key table', () => {
  it('finds exactly the keys that have state, through growth, removal and packing, each in a page of its group', () => {
    let packed = 0
    fc.assert(
      fc.property(
        fc.constantFrom(1, 5, 64),
        fc.array(anyChange, { maxLength: 12 }),
        fc.boolean(),
        (groups, changes, mixed) => {
          const site = new Site(groups)
          const model = new Map<Key, unknown>()
          for (const [number, { kind, from, step, count }] of changes.entries()) {
            for (let index = from, left = count; index < KEYS && left > 0; index += step, left--) {
              const key = keyOf(index)
              const value = mixed && index % 7 === 0 ? `v${number}` : number + index / 2
              if (kind === 'set') {
                site.set(key, value)
                model.set(key, value)
              } else {
                site.remove(key)
                model.delete(key)
              }
            }
          }
          expectSame(site, model)
          packed += site.packed
        },
      ),
      { numRuns: 40, examples: [[5, PACKING, true]] },
    )
    expect(packed).toBeGreaterThan(0)
  })

  it('moves to a larger index without losing a key that is removed, added again or moved meanwhile', () => {
    const site = new Site(3)
    const model = new Map<Key, unknown>()
    // More keys than one growth, so that some step falls into each stage of a move.
    for (let index = 0; index < 5000; index++) {
      site.set(index, index)
      model.set(index, index)
      const old = (index * 7) % (index + 1)
      site.remove(old)
      model.delete(old)
      expect(site.find(old)).toBe(-1)
      if (index % 2 === 0) {
        site.set(old, -1)
        model.set(old, -1)
        expect(site.table.get(site.find(old), 0)).toBe(-1)
      }
    }
    expectSame(site, model)
  })

  it('keeps 0, NaN and numbers among other keys apart', () => {
    const site = new Site(1)
    const keys: readonly Key[] = [0, Number.NaN, 1, '1', 1n, true, 0.5]
    for (const [index, key] of keys.entries()) site.set(key, index)
    expect(keys.map((key) => site.table.get(site.find(key), 0))).toEqual(keys.map((_, index) => index))
    expect(site.table.get(site.find(-0), 0)).toBe(0)
    for (const key of keys) site.remove(key)
    expect(keys.map((key) => site.find(key))).toEqual(keys.map(() => -1))
  })

  it('uses the slots of packed groups again', () => {
    const site = new Site(4)
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 5000; index++) site.set(round * 5000 + index, index)
      for (let index = 0; index < 5000; index++) site.remove(round * 5000 + index)
    }
    expect(site.packed).toBeGreaterThan(10)
    // 5,000 keys at a time, four groups, each packed once as many slots are dead as alive.
    expect(site.table.end).toBeLessThan(50_000)
  })
})

function expectSame(site: Site, model: ReadonlyMap<Key, unknown>): void {
  const { table, groups } = site
  for (let index = 0; index < KEYS; index++) {
    const key = keyOf(index)
    const slot = site.find(key)
    const actual = slot < 0 ? ABSENT : table.get(slot, 0)
    const expected = model.has(key) ? model.get(key) : ABSENT
    if (actual !== expected) expect.fail(`key ${String(key)}: ${String(actual)}, not ${String(expected)}`)
    if (slot < 0) continue
    const group = table.pageOf(slot).group
    if (group !== groups[(signedKeyHash(key) >>> 0) % groups.length])
      expect.fail(`key ${String(key)} is in another group`)
  }
  expect(groups.reduce((live, group) => live + group.live, 0)).toBe(model.size)
}
