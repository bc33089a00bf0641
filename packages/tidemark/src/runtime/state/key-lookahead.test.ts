import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RecordBatch, recordBatch } from '../../core/element.ts'
import type { Key } from '../../core/key.ts'
import { signedKeyHash } from '../../core/key-bytes.ts'
import { mapKeyOf } from '../../core/map-key.ts'
import type { Value } from '../../core/state.ts'
import { strictlyEqual } from '../../core/strictly-equal.ts'
import { createHeapKeyedStateBackend } from './heap-keyed-state-backend.ts'
import { KeyLookahead } from './key-lookahead.ts'

const makeSite = (keyGroups = { start: 0, end: 8 }) => {
  const backend = createHeapKeyedStateBackend({
    operator: 'count',
    states: { count: { kind: 'value', initial: () => 0 }, note: { kind: 'value', initial: null } },
    maxParallelism: 8,
    keyGroups,
    isDevelopment: false,
  })
  return {
    backend,
    count: backend.handle('count') as Value<number, number>,
    note: backend.handle('note') as Value<unknown, undefined>,
  }
}
type Site = ReturnType<typeof makeSite>

interface Event {
  readonly key: Key
  readonly does: 'count' | 'handle' | 'note' | 'clear'
}

const SPECIAL: readonly Key[] = ['\u0000s1:a', ['a'], '', 0, Number.NaN, 1n, true, '1', 1]
const anyKey = fc.oneof(
  fc.nat(400),
  fc.nat(60).map((index) => `key-${index}`),
  fc.constantFrom(...SPECIAL),
)
const anyEvent: fc.Arbitrary<Event> = fc.record({
  key: anyKey,
  does: fc.constantFrom('count' as const, 'count' as const, 'handle' as const, 'note' as const, 'clear' as const),
})
/** Also many at once, so that groups are packed and the index grows within a window. */
const anyBatch = fc.oneof(
  fc.array(anyEvent, { maxLength: 300, size: 'max' }),
  fc
    .record({ from: fc.nat(5000), count: fc.integer({ min: 1, max: 900 }), does: anyEvent.map(({ does }) => does) })
    .map(({ from, count, does }) => Array.from({ length: count }, (_, index): Event => ({ key: from + index, does }))),
)

const keyOf = (event: unknown): Key => (event as Event).key

/** As an edge by key hands it on, or as it is where there was none. */
const batchOf = (records: readonly unknown[], keys: readonly Key[], isHashed: boolean): RecordBatch => ({
  ...recordBatch(records),
  keyHashes: isHashed ? keys.map(signedKeyHash) : null,
})

function handle({ backend, count, note }: Site, { does }: Event): unknown {
  if (does === 'count' || does === 'handle') count.set(count.get() + 2)
  else if (does === 'note') note.set(backend.currentKey)
  else {
    count.clear()
    note.clear()
  }
  return [count.get(), note.get(), backend.keys]
}

describe('looking keys up ahead', () => {
  it('does what making each key current by itself does, whatever is done to the state in between', () => {
    fc.assert(
      fc.property(
        fc.array(anyBatch, { maxLength: 12 }),
        fc.integer({ min: 1, max: 200 }),
        fc.boolean(),
        (batches, chunk, isHashed) => {
          const ahead = makeSite()
          const plain = makeSite()
          const lookahead = new KeyLookahead(ahead.backend, keyOf)
          for (const events of batches) {
            const batch = batchOf(events, events.map(keyOf), isHashed)
            for (const [index, event] of events.entries()) {
              const to = Math.min(events.length, (Math.floor(index / chunk) + 1) * chunk)
              const key = lookahead.use(batch, index, to)
              plain.backend.setCurrentKey(event.key)
              const [actual, expected] = [handle(ahead, event), handle(plain, event)]
              if (!strictlyEqual(key, event.key) || !strictlyEqual(actual, expected))
                expect.fail(`${fc.stringify(event)}: ${fc.stringify(actual)}, not ${fc.stringify(expected)}`)
            }
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it('says of each key in a window where its numbers are, until slots move', () => {
    fc.assert(
      fc.property(fc.array(anyBatch, { maxLength: 8 }), fc.boolean(), (batches, isHashed) => {
        const site = makeSite()
        const numbers = site.backend.numbers('count')
        const lookahead = new KeyLookahead(site.backend, keyOf)
        const model = new Map<unknown, number>()
        for (const events of batches) {
          const batch = batchOf(events, events.map(keyOf), isHashed)
          for (let index = 0; index < events.length;) {
            let end = lookahead.open(batch, index, events.length)
            const { first } = lookahead
            for (; index < end; index++) {
              const { key, does } = events[index]!
              const identity = mapKeyOf(key)
              let sum = numbers.add(lookahead.slots[index - first]!, 1)
              if (Number.isNaN(sum)) {
                lookahead.useOpen(index)
                sum = site.count.update((old) => old + 1)
              }
              model.set(identity, (model.get(identity) ?? 0) + 1)
              if (sum !== model.get(identity) || !strictlyEqual(lookahead.keys[index - first], key))
                expect.fail(`${fc.stringify(key)}: ${sum}, not ${model.get(identity)}`)
              if (does === 'clear') {
                lookahead.useOpen(index)
                site.count.clear()
                model.delete(identity)
              }
              if (!lookahead.isCurrent) end = index + 1
            }
          }
        }
      }),
      { numRuns: 60 },
    )
  })

  it('says so when slots have moved within a window: new keys had their group packed, and took the places of old ones', () => {
    const site = makeSite()
    const numbers = site.backend.numbers('count')
    for (let key = 0; key < 4000; key++) {
      site.backend.setCurrentKey(key)
      site.count.set(key)
    }
    for (let key = 40; key < 4000; key++) {
      site.backend.setCurrentKey(key)
      site.count.clear()
    }
    const old = Array.from({ length: 40 }, (_, key) => key)
    const batch = recordBatch([...old, ...Array.from({ length: 48 }, (_, index) => 5000 + index), ...old])
    const lookahead = new KeyLookahead(site.backend, (record) => record as Key)
    const end = lookahead.open(batch, 0, batch.values.length)
    expect(end).toBe(128)
    expect(lookahead.isCurrent).toBe(true)
    for (let index = 40; index < 88; index++) {
      lookahead.useOpen(index)
      site.count.set(-1)
    }
    expect(lookahead.isCurrent).toBe(false)
    const moved = old.filter((key) => numbers.get(lookahead.slots[88 + key]!) !== key)
    expect(moved.length).toBeGreaterThan(0)
    lookahead.open(batch, 88, 128)
    expect(old.map((key) => numbers.get(lookahead.slots[key]!))).toEqual(old)
  })

  it('keeps apart the keys of a selector that fills the same tuple for each record', () => {
    const site = makeSite()
    const tuple: [string, number] = ['', 0]
    const lookahead = new KeyLookahead(site.backend, (record) => {
      tuple[1] = (record as number) % 3
      return tuple
    })
    const records = Array.from({ length: 30 }, (_, index) => index)
    const batch = recordBatch(records)
    const counts = records.map((_, index) => {
      lookahead.use(batch, index, records.length)
      return site.count.update((old) => old + 1)
    })
    expect(counts).toEqual(records.map((record) => Math.floor(record / 3) + 1))
  })

  it('looks each key up once, however many records of a window fail and however few are taken at a time', () => {
    let calls = 0
    const lookahead = new KeyLookahead(makeSite().backend, (record) => {
      calls++
      return record as Key
    })
    const records = Array.from({ length: 300 }, (_, index) => index)
    const batch = recordBatch(records)
    for (let index = 0; index < records.length; index++)
      expect(lookahead.open(batch, index, records.length)).toBeGreaterThan(index)
    expect(calls).toBe(300)
    for (let index = 0; index < 128; index++) lookahead.open(batch, index, index + 1)
    expect(calls).toBe(428)
  })

  it('lets no later record spoil an earlier one: a selector that throws and what is no key come in their turn', () => {
    const site = makeSite()
    const records: readonly unknown[] = [...Array.from({ length: 20 }, (_, index) => index), 'throw', null, {}, 'end']
    const lookahead = new KeyLookahead(site.backend, (record) => {
      if (record === 'throw') throw new Error('no key')
      return record as Key
    })
    const batch = recordBatch(records)
    const outcomes = records.map((_, index) => {
      try {
        return lookahead.use(batch, index, records.length)
      } catch (error) {
        return (error as Error).message
      }
    })
    expect(outcomes.slice(0, 20)).toEqual(records.slice(0, 20))
    expect(outcomes.slice(20)).toEqual(['no key', 'The key is null', 'The key is an object (Object)', 'end'])
  })

  it('does not take a text for the tuple that is stored under it, not even where their hashes are the same', () => {
    const tuple: Key = ['a', 1]
    const text = mapKeyOf(tuple) as string
    const site = makeSite()
    const lookahead = new KeyLookahead(site.backend, (record) => record as Key)
    site.backend.setCurrentKey(tuple)
    site.count.set(5)
    const batch = recordBatch([tuple, text])
    const counts = batch.values.map((_, index) => {
      lookahead.use(batch, index, 2)
      return site.count.get()
    })
    expect(counts).toEqual([5, 0])
    // Hashes of 32 bits may be the same by chance: then only the keys themselves tell which is which.
    const slots = new Int32Array(2)
    const hash = signedKeyHash(tuple)
    site.backend.lookUp([tuple, text], [hash, hash], 0, slots, 2)
    expect(slots[0]).toBeGreaterThanOrEqual(0)
    expect(slots[1]).toBe(-1)
  })

  it('finds a key anew that has lost its state since it was looked up', () => {
    const site = makeSite()
    const lookahead = new KeyLookahead(site.backend, (record) => record as Key)
    for (let round = 0; round < 2; round++) {
      const records = Array.from({ length: 20 }, () => 7)
      const batch = recordBatch(records)
      for (let index = 0; index < records.length; index++) {
        lookahead.use(batch, index, records.length)
        if (index % 3 === 2) site.count.clear()
        else site.count.set(index)
        expect(site.backend.keys).toBe(index % 3 === 2 ? 0 : 1)
      }
    }
    site.backend.setCurrentKey(7)
    expect(site.count.get()).toBe(19)
  })

  it('refuses keys of other tasks', () => {
    const lookahead = new KeyLookahead(makeSite({ start: 0, end: 4 }).backend, (record) => record as Key)
    const records = Array.from({ length: 50 }, (_, index) => index)
    const batch = recordBatch(records)
    const useAll = () => records.forEach((_, index) => lookahead.use(batch, index, records.length))
    expect(useAll).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }) as Error)
  })

  it('refuses what a selector returns that returned another key to the sender', () => {
    for (const [told, returned] of [
      ['a', 'b'],
      [1, 2],
      [
        ['a', 1],
        ['a', 2],
      ],
      ['1', 1],
    ] as const) {
      const site = makeSite()
      const lookahead = new KeyLookahead(site.backend, () => returned)
      const records = Array.from({ length: 20 }, () => null)
      const batch = batchOf(
        records,
        records.map(() => told as Key),
        true,
      )
      const useAll = () => records.forEach((_, index) => lookahead.use(batch, index, records.length))
      expect(useAll, fc.stringify([told, returned])).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }) as Error)
      site.backend.setCurrentKey(returned)
      site.count.set(1)
      expect(useAll).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }) as Error)
    }
  })
})
