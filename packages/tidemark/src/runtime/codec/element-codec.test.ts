import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteBuffer } from '../../core/byte-buffer.ts'
import { type RecordBatch, recordBatch, type StreamElement } from '../../core/element.ts'
import { isTidemarkError } from '../../core/errors.ts'
import { checkpointId } from '../../core/ids.ts'
import { strictlyEqual } from '../../core/strictly-equal.ts'
import { valueCodec } from '../../core/value-codec.ts'
import { ElementDecoder, ElementEncoder } from './element-codec.ts'
import { FrameBuffer } from './frame-buffer.ts'

const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('', '\0', '\ud800', 'a'.repeat(300)))
const number = fc.oneof(
  fc.nat({ max: 300 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.constantFrom(-0, Number.NaN),
)
const leaf = fc.oneof(
  text,
  number,
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.bigInt(),
  fc.date({ noInvalidDate: false }),
  fc.float64Array({ maxLength: 3 }),
)
const name = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('a', 'b', 'key', '1', '__proto__', '"', 'constructor') },
  text,
)
const dictionary = <T>(item: fc.Arbitrary<T>) =>
  fc.array(fc.tuple(name, item), { maxLength: 4 }).map(Object.fromEntries)
const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.sparseArray(tie('value'), { maxLength: 4 }),
    dictionary(tie('value')),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => new Set(items)),
  ),
})).value
/** Mostly of one kind, as in a stream, sometimes with something else in between. */
const anyBatchOfValues = fc
  .constantFrom<fc.Arbitrary<unknown>>(
    value,
    text,
    number,
    fc.record({ key: text, value: number }),
    fc.record({ key: text, value, flag: fc.option(fc.boolean(), { nil: undefined }) }, { requiredKeys: ['key'] }),
    fc.record({ user: fc.record({ name: text, tags: fc.array(text, { maxLength: 3 }) }), at: number }),
    fc.array(number, { maxLength: 40 }),
    fc.array(fc.record({ key: text, list: fc.array(fc.array(fc.boolean(), { maxLength: 3 }), { maxLength: 3 }) }), {
      maxLength: 4,
    }),
    fc.tuple(text, number),
    fc.tuple(fc.oneof(text, number), value),
  )
  .chain((kind) =>
    fc.array(fc.oneof({ weight: 20, arbitrary: kind }, { weight: 1, arbitrary: value }), { maxLength: 20 }),
  )

const encoder = new ElementEncoder()
const decoder = new ElementDecoder()

/** What the frame's bytes, received elsewhere, decode to. */
const decodeBytes = (bytes: Uint8Array): StreamElement => {
  const frame = new FrameBuffer()
  frame.reset(bytes.length)
  frame.bytes.set(bytes)
  frame.end = bytes.length
  return decoder.decode(frame)
}
const bytesOf = (element: StreamElement): Uint8Array => {
  const { bytes, end } = encoder.encode(element, 'shop')
  return Uint8Array.from(bytes.subarray(0, end))
}
const roundTrip = (element: StreamElement): StreamElement => decodeBytes(bytesOf(element))
const valuesAfter = (values: readonly unknown[]): readonly unknown[] =>
  (roundTrip(recordBatch(values)) as RecordBatch).values
const mustNotCrash = (bytes: Uint8Array) => {
  try {
    decodeBytes(bytes)
  } catch (error) {
    if (!isTidemarkError(error) || error.code !== 'CORRUPT_DATA') throw error
  }
}
const repeat = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index))

const withoutItem = (items: unknown[], index: number): unknown[] => {
  Reflect.deleteProperty(items, index)
  return items
}

const expectSame = (values: readonly unknown[]) => {
  // Several times: shapes are compiled after some uses.
  for (let time = 0; time < 6; time++) {
    const back = valuesAfter(values)
    expect(strictlyEqual(back, values), `${fc.stringify(values)} came back as ${fc.stringify(back)}`).toBe(true)
  }
}

describe('the codec of elements', () => {
  it('gives back batches of any values exactly', () => {
    fc.assert(
      fc.property(anyBatchOfValues, (values) => {
        const back = valuesAfter(values)
        expect(strictlyEqual(back, values), `${fc.stringify(values)} came back as ${fc.stringify(back)}`).toBe(true)
      }),
      { numRuns: 4000 },
    )
  })

  it('gives back texts that take more bytes than they have characters, wherever the memory of the frame ends', () => {
    for (const one of ['\u00e9', '\u20ac', '\u{1f30a}', '\ud83c']) {
      for (let length = 3900; length < 4100; length++) {
        const texts = ['a', one, ...repeat(length >> 8, () => 'b'.repeat(255)), 'c'.repeat(length & 255)]
        const { bytes, end } = new ElementEncoder().encode(recordBatch(texts), 'shop')
        const { values } = decodeBytes(bytes.subarray(0, end)) as RecordBatch
        expect(strictlyEqual(values, texts), `${length} ${one}`).toBe(true)
      }
    }
  })

  it('gives back texts of any length that do not keep those in memory that came with them', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    for (let length = 3; length <= 30; length++) {
      const texts = repeat(500, (index) => `${index}`.padEnd(length, 'x'))
      const bytes = bytesOf(recordBatch(texts))
      const kept: unknown[] = []
      collect()
      const before = process.memoryUsage().heapUsed
      for (let frame = 0; frame < 1000; frame++) kept.push((decodeBytes(bytes) as RecordBatch).values[frame % 500])
      collect()
      // All texts of the frames: 1.5 MB and more.
      expect(process.memoryUsage().heapUsed - before, `texts of ${length}`).toBeLessThan(1_000_000)
      expect(kept).toEqual([...texts, ...texts])
    }
  })

  it('gives back shapes that differ at every level, as deep as columns go', () => {
    // The decoder counts a level for every choice among shapes, the encoder does not.
    expectSame([[0, [[{ a: [{ a: [-0] }] }], 0n, false]], -0, ['', [0, null, 0]], [0, new Date(0)]])
  })

  it('gives back timestamps, also NaN and fractions, and none', () => {
    const timestamp = fc.oneof(fc.double(), fc.maxSafeInteger(), fc.integer({ min: 1.7e12, max: 1.7e12 + 100_000 }))
    fc.assert(
      fc.property(fc.array(timestamp), (timestamps) => {
        const batch = recordBatch(timestamps.map(String), timestamps)
        expect(strictlyEqual(roundTrip(batch), batch)).toBe(true)
      }),
    )
    expect(roundTrip(recordBatch(['a']))).toEqual(recordBatch(['a']))
  })

  it.each<[string, readonly unknown[]]>([
    ['objects of one shape', repeat(100, (index) => ({ key: `key-${index % 7}`, value: index, price: index / 3 }))],
    ['tuples', repeat(100, (index) => [`key-${index}`, index])],
    [
      'short strings of all lengths',
      repeat(256, (index) => repeat(index, (at) => String.fromCharCode((index * 7 + at * 13) & 0xff)).join('')),
    ],
    ['strings', repeat(300, (index) => 'x'.repeat(index))],
    [
      'strings with wide characters',
      repeat(50, (index) => `${'ä'.repeat(index)}${index % 5 === 0 ? '\u20ac\ud800' : ''}`),
    ],
    ['strings with zeros', ['', '\0', '\0\0', 'a', 'a\0', 'a\0\0', 'a\0\0\0', 'a\0\0\0\0', '\0a']],
    ['integers of all widths', [0, 255, 0, 256, 65_535, 65_536, 2 ** 31, -(2 ** 31), 2 ** 32 - 1]],
    ['integers that lie far apart', [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]],
    ['great integers side by side', repeat(10, (index) => Number.MAX_SAFE_INTEGER - index)],
    ['numbers beyond integers', [2 ** 53, 2 ** 60, 1e300]],
    ['minus zero first', [-0, 0, 1]],
    ['minus zero last', [1, 0, -0]],
    ['constants with minus zero', [0, 0, -0, 0, 0]],
    ['not a number', [Number.NaN, Number.NaN]],
    ['booleans', [true, false, true]],
    [
      'values that may be missing',
      repeat(20, (index) => ({ a: index % 3 === 0 ? null : index, b: index % 4 === 0 ? undefined : 'b' })),
    ],
    [
      'a field whose type varies',
      repeat(20, (index) => ({ a: [1, 'a', true, 2n, null, undefined, [1], { x: 1 }][index % 8] })),
    ],
    [
      'records of several shapes',
      repeat(40, (index) => (index % 2 === 0 ? { kind: 'a', a: index } : { kind: 'b', b: [index] })),
    ],
    ['the same names in another order', [{ a: 1, b: 2 }, { b: 2, a: 1 }, { a: 1 }, { a: 1, b: 2, c: 3 }]],
    ['nested objects', repeat(10, (index) => ({ user: { name: `n${index}`, address: { city: 'x', zip: index } } }))],
    ['deeply nested objects', [repeat(20, () => 0).reduce<unknown>((inner) => ({ inner }), 1)]],
    ['lists of different lengths', repeat(40, (index) => ({ items: repeat(index, (item) => ({ item })) }))],
    ['lists of lists', repeat(40, (index) => repeat(index % 3, (item) => repeat(item, () => index)))],
    ['lists of nothing but empty ones', repeat(40, () => [])],
    ['long lists of one length', repeat(5, (index) => repeat(100, (item) => index * item))],
    ['lists that are one item repeated', repeat(40, (index) => repeat(index, () => 'same'))],
    [
      'lists with undefined and null',
      repeat(9, (index) => repeat(index, (item) => (item % 2 === 0 ? null : undefined))),
    ],
    ['lists with holes', [[1], withoutItem([1, 2, 3], 1), withoutItem([1, 2], 0), Object.assign([], { length: 2 })]],
    ['lists or nothing', repeat(20, (index) => ({ a: [null, [], [index], undefined, 'a'][index % 5] }))],
    ['tuples with holes', [[1, 2], Object.assign([], { length: 2, 1: 5 }), [undefined, 1]]],
    ['empty objects and arrays', [{}, {}, [], []]],
    ['objects without prototype', [Object.assign(Object.create(null) as object, { a: 1 }), { a: 1 }]],
    ['an own property __proto__', repeat(3, () => JSON.parse('{"a": 1, "__proto__": {"b": 2}}') as unknown)],
    [
      'names that look like code',
      repeat(9, (index) => ({ '"]; throw 1; //': index, '\u2028': 1, '${x}': 'a', '\\': 2 })),
    ],
    ['names that are numbers', repeat(3, (index) => ({ 1: index, 0: 'a', x: 2 }))],
    ['more shapes than are remembered', repeat(200, (index) => ({ [`name-${index}`]: index }))],
    ['as many shapes in several batches', repeat(3, (index) => ({ [`name-${index}`]: index }))],
    ['no records', []],
  ])('gives back %s', (_what, values) => {
    expectSame(values)
  })

  it('does not change what a prototype holds', () => {
    const [back] = valuesAfter([JSON.parse('{"a": 1, "__proto__": {"isAdmin": true}}')]) as [{ isAdmin?: boolean }]
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype)
    expect(back.isAdmin).toBeUndefined()
  })

  it.each<StreamElement>([
    {
      kind: 'barrier',
      checkpoint: checkpointId(2 ** 40),
      timestamp: 1.7e12,
      options: { purpose: 'savepoint', alignment: 'aligned-with-timeout' },
    },
    {
      kind: 'barrier',
      checkpoint: checkpointId(1),
      timestamp: 0,
      options: { purpose: 'checkpoint', alignment: 'aligned' },
    },
    { kind: 'cancel-checkpoint', checkpoint: checkpointId(7) },
    { kind: 'watermark', timestamp: Number.POSITIVE_INFINITY },
    { kind: 'watermark', timestamp: -1 },
    { kind: 'status', idle: true },
    { kind: 'status', idle: false },
    { kind: 'end-of-data', drain: true },
    { kind: 'end-of-data', drain: false },
    { kind: 'end-of-partition' },
  ])('gives back the event $kind', (event) => {
    expect(roundTrip(event)).toEqual(event)
  })

  it('gives back the hashes of the keys', () => {
    for (const timestamps of [null, [1, 2, 3]]) {
      const batch = { ...recordBatch(['a', 'b', 'c'], timestamps), keyHashes: [0, -(2 ** 31), 2 ** 31 - 1] }
      expect(roundTrip(batch)).toEqual(batch)
    }
  })

  it('leaves origins behind', () => {
    const batch = { ...recordBatch([1]), origins: [0], origin: { describe: () => 'line 1' } }
    expect(roundTrip(batch)).toEqual(recordBatch([1]))
  })

  it.each<[string, unknown, string]>([
    ['a function in a field', { a: { b: () => 1 } }, '$.a.b'],
    ['an instance of a class', new (class Point {})(), '$'],
    ['a symbol', Symbol('x'), '$'],
    ['a name that is a symbol', { a: 1, [Symbol('x')]: 1 }, '$'],
    ['a match of a regular expression', /(b)/.exec('abc'), '$'],
    ['a promise in a tuple', ['a', Promise.resolve()], '$[1]'],
  ])('refuses %s, naming operator and path', (_what, value, path) => {
    for (const values of [[value], [value, value], [1, value]]) {
      expect(() => bytesOf(recordBatch(values))).toThrow(
        expect.objectContaining({
          code: 'NOT_ENCODABLE',
          message: expect.stringContaining('A record of shop') as unknown,
          context: { path, operator: 'shop' },
        }) as Error,
      )
    }
    expect(valuesAfter([1])).toEqual([1])
  })

  it.each<[string, (index: number) => unknown, (value: object) => object, string]>([
    ['a symbol', (index) => ({ a: index }), (value) => ({ ...value, [Symbol('x')]: 1 }), '$'],
    [
      'a symbol within',
      (index) => ({ a: { b: index } }),
      (value) => ({ ...value, a: { b: 1, [Symbol('x')]: 1 } }),
      '$.a',
    ],
    [
      'a symbol of an object with many properties',
      (index) => ({ a: index, b: 1, c: 1, d: 1, e: 1, f: 1 }),
      (value) => ({ ...value, [Symbol('x')]: 1 }),
      '$',
    ],
    ['a prototype', (index) => ({ a: index }), (value) => Object.assign(Object.create({ b: 1 }) as object, value), '$'],
    ['an extra property of a tuple', (index) => [index, 'b'], (value) => Object.assign(value, { extra: 1 }), '$'],
    ['a symbol of a tuple', (index) => [index, 'b'], (value) => Object.assign(value, { [Symbol('x')]: 1 }), '$'],
    [
      'an extra property instead of an item',
      (index) => [index, 'b'],
      (value) => withoutItem(Object.assign(value as unknown[], { extra: 1 }), 1),
      '$',
    ],
    [
      'an extra property of a list',
      (index) => repeat(index, String),
      (value) => Object.assign(value, { extra: 1 }),
      '$',
    ],
    [
      'a symbol of a list',
      (index) => repeat(index, String),
      (value) => Object.assign(value, { [Symbol('x')]: 1 }),
      '$',
    ],
  ])('never leaves out %s, whichever record of a batch has it', (_what, make, spoil, path) => {
    for (let spoiled = 0; spoiled < 40; spoiled++) {
      const values = repeat(40, (index) => (index === spoiled ? spoil(make(index) as object) : make(index)))
      // One has compiled the shape, one has not met it yet.
      for (const each of [encoder, new ElementEncoder()]) {
        expect(() => each.encode(recordBatch(values), 'shop')).toThrow(
          expect.objectContaining({ code: 'NOT_ENCODABLE', context: { path, operator: 'shop' } }) as Error,
        )
      }
    }
  })

  it('takes what is not enumerable for no part of a record, whether it is named by a string or a symbol', () => {
    const hidden = { [Symbol('x')]: { value: 1 }, y: { value: 1 } }
    const makes: readonly ((index: number) => object)[] = [
      (index) => ({ a: index }),
      (index) => ({ a: [{ b: index }], c: index }),
    ]
    for (const make of makes) {
      const values = repeat(40, (index) => Object.defineProperties(make(index), hidden))
      for (const each of [encoder, new ElementEncoder()])
        expect(decoder.decode(each.encode(recordBatch(values), 'shop'))).toEqual(recordBatch(repeat(40, make)))
    }
  })

  it('freezes what it decodes in development mode, as emitted records are', () => {
    const frozen = new ElementDecoder({ isDevelopment: true })
    const records = [{ key: 'a', list: [{ x: 1 }] }, [1, [2]], 'text', new Map([['k', { x: 1 }]])]
    const { values } = frozen.decode(encoder.encode(recordBatch(records), 'shop')) as RecordBatch
    const [object, tuple, , map] = values as [{ list: object[] }, [number, object], string, Map<string, object>]
    for (const part of [object, object.list, object.list[0], tuple, tuple[1], map, map.get('k')]) {
      expect(Object.isFrozen(part)).toBe(true)
    }
    expect(strictlyEqual(values, records)).toBe(true)
  })

  it('answers random bytes and damaged frames with an element or CORRUPT_DATA, never with anything else', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(anyBatchOfValues, changes, fc.nat(), (values, damages, cut) => {
        const bytes = bytesOf(recordBatch(values))
        mustNotCrash(bytes.subarray(0, cut % bytes.length))
        for (const [at, to] of damages) bytes[at % bytes.length] = to
        mustNotCrash(bytes)
      }),
      { numRuns: 4000 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
        mustNotCrash(noise)
        mustNotCrash(Uint8Array.from([1, 1, 0, 0, 3, 0, 0, 0, ...noise]))
      }),
      { numRuns: 5000 },
    )
  })

  it('does not believe in more rows than a frame of its size may hold', () => {
    const bytes = bytesOf(recordBatch([7, 7]))
    new Int32Array(bytes.buffer)[1] = 2 ** 30
    expect(() => decodeBytes(bytes)).toThrow(expect.objectContaining({ code: 'CORRUPT_DATA' }) as Error)
  })

  it('takes two million equal records', () => {
    const values = repeat(2_000_000, () => 'same')
    expect(strictlyEqual((valuesAfter(values) as unknown[]).length, values.length)).toBe(true)
  })

  it('costs no more bytes than single values do', () => {
    const records = repeat(512, (index) => ({ word: `key-${(index * 7919) % 1000}`, count: index % 100 }))
    const single = new ByteBuffer()
    for (const record of records) valueCodec.encode(record, single)
    expect(bytesOf(recordBatch(records)).length).toBeLessThan(single.length * 0.6)
  })
})
