import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { strictlyEqual } from './strictly-equal.ts'
import { ByteBuffer } from './byte-buffer.ts'
import { ByteBufferReader } from './byte-buffer-reader.ts'
import { assertEncodable, deepFreeze } from './encodable.ts'
import { isTidemarkError } from './errors.ts'
import { valueCodec } from './value-codec.ts'

const encode = (value: unknown) => {
  const buffer = new ByteBuffer()
  valueCodec.encode(value, buffer)
  return buffer.take()
}
const decode = (bytes: Uint8Array) => {
  const reader = new ByteBufferReader(bytes)
  const value = valueCodec.decode(reader)
  expect(reader.remaining).toBe(0)
  return value
}

const hex = (value: unknown) => Buffer.from(encode(value)).toString('hex')

const mustNotCrash = (bytes: Uint8Array) => {
  let value: unknown
  try {
    value = valueCodec.decode(new ByteBufferReader(bytes))
  } catch (error) {
    if (!isTidemarkError(error) || error.code !== 'CORRUPT_DATA') throw error
    return
  }
  encode(value)
}

const hole = Symbol('hole')
const { value: anyValue } = fc.letrec<{ value: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom(
      undefined,
      null,
      true,
      false,
      0,
      -0,
      Number.NaN,
      Infinity,
      -Infinity,
      2 ** 52,
      -(2 ** 53),
      2 ** 31,
      '',
    ),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.bigInt(),
    fc.string({ unit: 'binary' }),
    fc.array(fc.integer({ min: 0xd7ff, max: 0xe000 }), { maxLength: 4 }).map((units) => String.fromCharCode(...units)),
    fc.date({ noInvalidDate: false }),
    fc.uint8Array({ maxLength: 9 }),
    fc.uint8Array({ maxLength: 9 }).map((bytes) => bytes.slice().buffer),
    fc.float64Array({ maxLength: 5 }),
    fc.int16Array({ maxLength: 5 }),
    fc.bigInt64Array({ maxLength: 3 }),
    fc.uint8ClampedArray({ maxLength: 5 }),
    fc.uint8Array({ minLength: 4, maxLength: 9 }).map((bytes) => new DataView(bytes.slice().buffer, 1, 2)),
  ),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.array(fc.oneof(fc.constant(hole), tie('value')), { maxLength: 6 }).map((items) => {
      const array: unknown[] = []
      array.length = items.length
      for (const [index, item] of items.entries()) if (item !== hole) array[index] = item
      return array
    }),
    fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', '1', '')), tie('value'), {
      maxKeys: 5,
    }),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => new Set(items)),
  ),
}))

describe('the value codec', () => {
  it('gives back every value exactly', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const decoded = decode(encode(value))
        expect(strictlyEqual(decoded, value), `${fc.stringify(value)} came back as ${fc.stringify(decoded)}`).toBe(true)
        assertEncodable(value, 'It')
      }),
      { numRuns: 2000 },
    )
  })

  it('keeps sparse arrays sparse, own __proto__ properties own, and views to their window', () => {
    const sparse: unknown[] = []
    sparse[4_000_000_000] = 'far'
    Reflect.deleteProperty(sparse, 4_000_000_000)
    sparse[7] = 'near'
    expect(strictlyEqual(decode(encode(sparse)), sparse)).toBe(true)
    const hostile = JSON.parse('{"__proto__": {"isAdmin": true}}') as object
    const copy = decode(encode(hostile)) as { isAdmin?: boolean }
    expect(Object.keys(copy)).toEqual(['__proto__'])
    expect(copy.isAdmin).toBeUndefined()
    const window = new Uint16Array(new Uint16Array([1, 2, 3, 4]).buffer, 2, 2)
    const back = decode(encode(window)) as Uint16Array
    expect([...back]).toEqual([2, 3])
    expect(back.buffer.byteLength).toBe(4)
  })

  it('copies bytes out of whatever holds them, also a Buffer', () => {
    const bytes = Buffer.from(encode([new Uint8Array([1, 2]), new Uint8Array([3]).buffer]))
    const [view, buffer] = decode(bytes) as [Uint8Array, ArrayBuffer]
    bytes.fill(0)
    expect(view.buffer.byteLength).toBe(2)
    expect([...view, ...new Uint8Array(buffer)]).toEqual([1, 2, 3])
  })

  it('pins its layout', () => {
    expect(hex(undefined)).toBe('00')
    expect(hex([null, false, true])).toBe('0b03010203')
    expect(hex(-3)).toBe('0405')
    expect(hex(300)).toBe('04d804')
    expect(hex(-0)).toBe('050000000000000080')
    expect(hex(0.5)).toBe('05000000000000e03f')
    expect(hex(-129n)).toBe('06027fff')
    expect(hex('h\u00e9')).toBe('070368c3a9')
    expect(hex(new Date(1))).toBe('08000000000000f03f')
    expect(hex({ a: 1 })).toBe('090101610402')
    expect(hex(Object.create(null))).toBe('0a00')
    // oxlint-disable-next-line no-sparse-arrays
    expect(hex([, 1])).toBe('0c0201010402')
    expect(hex(new Map([[1, 2]]))).toBe('0d0104020404')
    expect(hex(new Set([1]))).toBe('0e010402')
    expect(hex(new Uint8Array([7]).buffer)).toBe('0f0107')
    expect(hex(new Int16Array([1]))).toBe('1004020100')
  })

  const cycle: Record<string, unknown> = { list: [] }
  ;(cycle['list'] as unknown[]).push(1, { back: cycle })
  let deep: unknown = 1
  for (let level = 0; level < 1001; level++) deep = { deep }

  it.each<[string, unknown, string, RegExp]>([
    ['a function', { user: { address: [1, 2, 3, () => 1] } }, '$.user.address[3]', /is a function/],
    ['a symbol', [Symbol('x')], '$[0]', /is a symbol/],
    ['a symbol as a name', { a: { [Symbol('x')]: 1 } }, '$.a', /Symbol\(x\)/],
    ['a class instance', new Map([['k', new (class Point {})()]]), '$.get("k")', /instance of Point/],
    ['a promise', { 'a b': Promise.resolve() }, '$["a b"]', /is a promise/],
    ['a cycle', cycle, '$.list[1].back', /refers back/],
    ['too deep nesting', deep, `$${'.deep'.repeat(1000)}`, /deeper than 1000/],
    ['a key that is a function', new Map([[() => 1, 1]]), '$.keys()[0]', /is a function/],
    ['a member of a set', new Set([1, /x/]), '$.values()[1]', /instance of RegExp/],
    ['an error', [new Error('x')], '$[0]', /instance of Error/],
    ['a Buffer', Buffer.from('x'), '$', /is a Buffer/],
    ['shared memory', new Uint8Array(new SharedArrayBuffer(1)), '$', /shared/],
    ['a shared buffer', [new SharedArrayBuffer(1)], '$[0]', /SharedArrayBuffer/],
    ['an array with more than items', { match: /b/.exec('abc') }, '$.match', /extra property "index"/],
    ['an array with a symbol', Object.assign([1], { [Symbol('x')]: 1 }), '$', /Symbol\(x\)/],
    [
      'an array whose extra property hides a hole',
      Object.assign([], { length: 1, extra: 1 }),
      '$',
      /extra property "extra"/,
    ],
    ['a map with a symbol', Object.assign(new Map(), { [Symbol('x')]: 1 }), '$', /Symbol\(x\)/],
    ['a date with a symbol', { at: Object.assign(new Date(), { [Symbol('x')]: 1 }) }, '$.at', /Symbol\(x\)/],
    ['a typed array with a symbol', Object.assign(new Uint8Array(1), { [Symbol('x')]: 1 }), '$', /Symbol\(x\)/],
    ['a map with more than entries', Object.assign(new Map(), { extra: 1 }), '$', /extra property "extra"/],
    ['a subclass of Array', new (class Names extends Array {})(), '$', /instance of Names/],
    ['a boxed primitive', Object(1), '$', /instance of Number/],
    ['a weak map', new WeakMap(), '$', /instance of WeakMap/],
  ])('refuses %s and names the path', (_what, value, path, message) => {
    const refused = expect.objectContaining({
      code: 'NOT_ENCODABLE',
      message: expect.stringMatching(message) as unknown,
      context: { path },
    }) as Error
    expect(() => encode(value)).toThrow(refused)
    expect(() => assertEncodable(value, 'It')).toThrow(refused)
  })

  it('takes 1000 levels', () => {
    let value: unknown = 1
    for (let level = 0; level < 1000; level++) value = [value]
    expect(decode(encode(value))).toEqual(value)
  })

  it('answers random bytes and damaged encodings with a value or CORRUPT_DATA, never with anything else', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), mustNotCrash), { numRuns: 5000 })
    fc.assert(
      fc.property(
        anyValue,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 }),
        fc.nat(),
        (value, changes, cut) => {
          const bytes = encode(value)
          for (const [at, to] of changes) bytes[at % bytes.length] = to
          mustNotCrash(bytes)
          mustNotCrash(bytes.subarray(0, cut % bytes.length))
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('refuses nesting that would exhaust the stack and counts that cannot be true', () => {
    const corrupt = expect.objectContaining({ code: 'CORRUPT_DATA' }) as Error
    expect(() => decode(new Uint8Array(200_000).fill(11).map((byte, index) => (index % 2 === 0 ? byte : 1)))).toThrow(
      corrupt,
    )
    for (const tag of [9, 10, 11, 13, 14, 15]) {
      expect(() => decode(new Uint8Array([tag, 255, 255, 255, 255, 255, 255, 255, 15]))).toThrow(corrupt)
    }
    // A hundred arrays of almost 2^32 holes take no memory worth speaking of.
    const holes = [12, 255, 255, 255, 255, 15, 0]
    expect(decode(new Uint8Array([11, 100, ...Array.from({ length: 100 }, () => holes).flat()]))).toHaveLength(100)
  })
})

describe('deepFreeze', () => {
  it('freezes what a value holds, through maps and sets, and leaves typed arrays', () => {
    const value = {
      list: [{ a: 1 }],
      map: new Map([[{ k: 1 }, { v: 1 }]]),
      set: new Set([{ s: 1 }]),
      bytes: new Uint8Array(2),
    }
    deepFreeze(value)
    expect(Object.isFrozen(value.list[0])).toBe(true)
    expect([...value.map].flat().every(Object.isFrozen)).toBe(true)
    expect([...value.set].every(Object.isFrozen)).toBe(true)
    value.bytes[0] = 1
  })
})
