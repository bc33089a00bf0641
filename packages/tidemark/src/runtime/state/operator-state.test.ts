import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteBuffer } from '../../core/byte-buffer.ts'
import type { Key } from '../../core/key.ts'
import { BroadcastState } from './broadcast-state.ts'
import { ListState } from './list-state.ts'
import { readListItems, writeListSnapshot } from './write-list-snapshot.ts'

describe('operator list state', () => {
  it('hands out at a barrier what it holds then, whatever comes after', () => {
    const list = new ListState('items', 'split', ['restored'], false)
    list.push('pushed')
    const snapshot = list.snapshot()
    list.push('late')
    const other = list.snapshot()
    list.replace([1])
    expect(snapshot).toEqual({ name: 'items', mode: 'split', items: ['restored', 'pushed'] })
    expect(other.items).toEqual(['restored', 'pushed', 'late'])
    expect([...list]).toEqual([1])
    list.clear()
    expect(list.size).toBe(0)
  })

  it('can be replaced by what is made of itself, and iterates over what it was at the beginning', () => {
    const list = new ListState('items', 'union', [1, 2, 3], false)
    list.replace(
      (function* doubled() {
        for (const item of list) yield (item as number) * 2
      })(),
    )
    for (const item of list) list.push(item)
    expect([...list]).toEqual([2, 4, 6, 2, 4, 6])
  })

  it('refuses in development what cannot be stored, and freezes the rest', () => {
    const list = new ListState('items', 'split', [], true)
    expect(() => list.push(() => 1)).toThrow(/list state 'items' cannot be stored/)
    const value = { a: [1] }
    list.push(value)
    expect(Object.isFrozen(value.a)).toBe(true)
  })
})

describe('broadcast state', () => {
  it('behaves as a map with any key, read-only where it must be, and comes back from its items', () => {
    const state = new BroadcastState('rules', [], false)
    const keys: readonly Key[] = ['a', 1, 1n, Number.NaN, ['a', 1], '\u0000', true]
    for (const [index, key] of keys.entries()) state.set(key, index)
    state.set('gone', 1)
    state.delete('gone')
    const { readable } = state
    expect('set' in readable).toBe(false)
    for (const [index, key] of keys.entries()) expect([readable.get(key), readable.has(key)]).toEqual([index, true])
    const snapshot = state.snapshot()
    state.clear()
    expect(readable.size).toBe(0)
    const restored = new BroadcastState('rules', snapshot.items, false)
    expect([...restored.readable]).toEqual(keys.map((key, index) => [key, index]))
  })

  it('iterates over what it was at the beginning', () => {
    const state = new BroadcastState(
      'rules',
      [
        ['a', 1],
        ['b', 2],
      ],
      false,
    )
    for (const [key] of state) state.set(`${String(key)}'`, 0)
    expect(state.size).toBe(4)
  })

  it('refuses what is no key, no pair, or cannot be stored', () => {
    expect(() => new BroadcastState('rules', [1], false)).toThrow(
      expect.objectContaining({ code: 'CORRUPT_DATA' }) as Error,
    )
    const state = new BroadcastState('rules', [], true)
    expect(() => state.set(null as unknown as Key, 1)).toThrow(
      expect.objectContaining({ code: 'INVALID_KEY' }) as Error,
    )
    expect(() => state.set('k', new Error('x'))).toThrow(expect.objectContaining({ code: 'NOT_ENCODABLE' }) as Error)
  })
})

describe('written lists', () => {
  it('give back any run of their items', () => {
    const anyItem = fc.oneof(
      fc.integer(),
      fc.string(),
      fc.constant(undefined),
      fc.array(fc.boolean(), { maxLength: 200 }),
    )
    fc.assert(
      fc.property(fc.array(anyItem, { maxLength: 30 }), fc.nat(), fc.nat(), (items, one, other) => {
        const writer = new ByteBuffer()
        writeListSnapshot({ name: 'items', mode: 'split', items }, writer)
        const bytes = writer.take()
        const [first, end] = [one % (items.length + 1), other % (items.length + 1)].toSorted((a, b) => a - b) as [
          number,
          number,
        ]
        expect(readListItems(bytes, first, end - first)).toEqual(items.slice(first, end))
      }),
    )
  })

  it('answer too few bytes, a wrong length or a foreign codec with an error', () => {
    const writer = new ByteBuffer()
    writeListSnapshot({ name: 'items', mode: 'split', items: [300] }, writer)
    const bytes = writer.take()
    const corrupt = expect.objectContaining({ code: 'CORRUPT_DATA' }) as Error
    expect(() => readListItems(bytes, 0, 2)).toThrow(corrupt)
    expect(() =>
      readListItems(new Uint8Array([...bytes.map((byte, index) => (index === 0 ? byte + 1 : byte)), 0]), 0, 1),
    ).toThrow(corrupt)
    expect(() => readListItems(bytes, 0, 1, 'value/9')).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED' }) as Error,
    )
  })
})
