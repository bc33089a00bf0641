import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { isTidemarkError, type TidemarkError } from 'tidemark/connector'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import type { Codec, DecodeContext, Decoder } from '../codec.ts'
import { bytes, double, ignored, int32, int64, json, nullable, text } from './index.ts'

const AT: DecodeContext = { topic: 'orders', part: 'value' }
const context = { secret: () => '' }

const decode = <T>(codec: Codec<T>, given: Uint8Array | null): T => codec.createDecoding(context).decode(given, AT)
const encode = <T>(codec: Codec<T>, value: T): Uint8Array | null => codec.createEncoding(context).encode(value, AT)
const utf8 = (value: string): Uint8Array => new TextEncoder().encode(value)

function failureOf(action: () => unknown): TidemarkError {
  try {
    action()
  } catch (error) {
    if (isTidemarkError(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** As a record lies in a batch: with other bytes around it. */
function within(value: Uint8Array): Uint8Array {
  const batch = new Uint8Array(value.length + 9).fill(0xee)
  batch.set(value, 4)
  return batch.subarray(4, 4 + value.length)
}

function expectRoundTrips<T>(codec: Codec<T>, values: fc.Arbitrary<T>): void {
  fc.assert(
    fc.property(values, (value) => {
      expect(decode(codec, within(encode(codec, value)!))).toEqual(value)
      expect(decode(nullable(codec), encode(nullable(codec), value))).toEqual(value)
    }),
  )
}

describe('codecs', () => {
  interface Fixture {
    readonly codec: 'int32' | 'int64' | 'double' | 'text'
    readonly value: string
    readonly bytes: string
  }
  const path = new URL('../../../../test/golden/kafka-serializers.json', import.meta.url)
  const fixtures = JSON.parse(readFileSync(path, 'utf8')) as readonly Fixture[]

  it.each(fixtures)("read and write what Kafka's own serializers write: $codec $value", (fixture) => {
    const given = new Uint8Array(Buffer.from(fixture.bytes, 'hex'))
    const check = <T>(codec: Codec<T>, value: T): void => {
      expect(decode(codec, within(given))).toEqual(value)
      expect(encode(codec, value)).toEqual(given)
    }
    if (fixture.codec === 'text') check(text(), fixture.value)
    else if (fixture.codec === 'int64') check(int64(), BigInt(fixture.value))
    else check(fixture.codec === 'int32' ? int32() : double(), Number(fixture.value))
  })

  it('give back every value that they write', () => {
    expectRoundTrips(text(), fc.string({ unit: 'binary' }))
    expectRoundTrips(int32(), fc.integer())
    expectRoundTrips(int64(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
    expectRoundTrips(double(), fc.double())
    expectRoundTrips(bytes(), fc.uint8Array())
    expectRoundTrips(
      json(),
      fc
        .jsonValue({ noUnicodeString: false })
        .map((value) => JSON.parse(JSON.stringify(value)) as unknown)
        .filter((value) => value !== null),
    )
  })

  it('refuse tombstones, and say how to read them', () => {
    for (const codec of [json(), text(), bytes(), int32(), int64(), double()] as readonly Codec<unknown>[]) {
      const error = failureOf(() => decode(codec, null))
      expect(error.code).toBe('CORRUPT_DATA')
      expect(error.message).toContain('tombstone')
      expect(error.action).toContain(`nullable(${codec.kind}`)
      expect(decode(nullable(codec), null)).toBeNull()
      expect(encode(nullable(codec), null)).toBeNull()
      expect(encode(nullable(codec), undefined)).toBeNull()
      expect(nullable(codec).kind).toBe(`nullable ${codec.kind}`)
    }
  })

  it('tell JSON null from a tombstone', () => {
    expect(decode(json(), utf8('null'))).toBeNull()
    expect(encode(json(), null)).toEqual(utf8('null'))
    expect(decode(nullable(json(z.object({}))), null)).toBeNull()
    expect(() => decode(nullable(json(z.object({}))), utf8('null'))).toThrow('does not fit the schema')
  })

  it('leave out what is ignored, tombstones and what is no text included', () => {
    const decoding = ignored().createDecoding(context)
    for (const given of [null, new Uint8Array(), Uint8Array.of(0xff, 0xfe)])
      expect(decoding.decode(given, AT)).toBeUndefined()
    expect(decoding.decodeRange!(Uint8Array.of(1, 2), 0, 2, AT)).toBeUndefined()
    expectTypeOf(ignored()).toEqualTypeOf<Decoder<undefined>>()
  })

  it('hand the rest of a nullable codec on to the inner one', async () => {
    const calls: string[] = []
    const inner: Codec<string> = {
      kind: 'watched',
      describe: { url: 'there' },
      createDecoding: () => ({
        open: () => void calls.push('open'),
        prepare: async (given) => void calls.push(`prepare ${String(given?.length)}`),
        decode: () => 'decoded',
        close: () => void calls.push('close'),
      }),
      createEncoding: () => ({
        prepare: async (value) => void calls.push(`prepare ${value}`),
        encode: () => new Uint8Array(1),
      }),
    }
    const codec = nullable(inner)
    expect(codec.describe).toEqual({ url: 'there' })
    const decoding = codec.createDecoding(context)
    await decoding.open?.()
    expect(decoding.prepare!(null, AT)).toBeUndefined()
    await decoding.prepare!(new Uint8Array(3), AT)
    await decoding.close?.()
    const encoding = codec.createEncoding(context)
    expect(encoding.prepare!(null, AT)).toBeUndefined()
    await encoding.prepare!('x', AT)
    expect(calls).toEqual(['open', 'prepare 3', 'close', 'prepare x'])
    expect(nullable(text()).createDecoding(context)).not.toHaveProperty('prepare')
  })

  it('copy bytes, which outlive their batch', () => {
    const batch = within(utf8('value'))
    const decoded = decode(bytes(), batch)
    batch.fill(0)
    expect(decoded).toEqual(utf8('value'))
  })

  it('take nothing for text that is not UTF-8', () => {
    for (const codec of [text(), json()] as readonly Codec<unknown>[]) {
      for (const given of [[0xff], [0x22, 0xc3, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22]])
        expect(failureOf(() => decode(codec, within(new Uint8Array(given)))).code).toBe('CORRUPT_DATA')
    }
    expect(decode(text(), utf8('\ufffd is a character \ufeff'))).toBe('\ufffd is a character \ufeff')
    expect(failureOf(() => encode(text(), 'half \ud83c')).message).toContain('surrogate')
    expect(decode(json(), encode(json(), 'half \ud83c'))).toBe('half \ud83c')
  })

  it('name what is wrong with JSON', () => {
    expect(failureOf(() => decode(json(), utf8('{"a":')))).toMatchObject({
      code: 'CORRUPT_DATA',
      message: expect.stringMatching(/^is not JSON: /) as string,
      context: { value: '{"a":' },
    })
    expect(failureOf(() => decode(json(), new Uint8Array(0))).message).toBe('is not JSON: it is empty')
    const schema = z.object({ shop: z.string(), lines: z.array(z.object({ amount: z.number() })) })
    const bad = utf8(JSON.stringify({ shop: 'a', lines: [{ amount: 1 }, { amount: 'two' }] }))
    expect(failureOf(() => decode(json(schema), bad)).message).toMatch(
      /^does not fit the schema: lines\[1\]\.amount: .*number/,
    )
  })

  it('refuse what JSON cannot say', () => {
    const circle: { self?: unknown } = {}
    circle.self = circle
    for (const value of [10n, { at: [1n] }, circle, undefined, () => 1]) {
      expect(failureOf(() => encode(json(), value)).code).toBe('NOT_ENCODABLE')
    }
  })

  it('read through a schema, which may convert', () => {
    const Order = z.object({ at: z.string().transform((at) => Date.parse(at)) })
    const codec = json(Order)
    expectTypeOf(codec).toEqualTypeOf<Codec<{ at: number }>>()
    expect(decode(codec, utf8('{"at":"1970-01-01T00:00:01Z"}'))).toEqual({ at: 1000 })
  })

  it('refuse an asynchronous schema as a mistake of the job, not as a bad record', () => {
    const codec = json(z.string().refine(async () => Promise.resolve(true)))
    expect(failureOf(() => decode(codec, utf8('"x"')))).toMatchObject({ code: 'INVALID_OPTION' })
  })

  it('refuse numbers of another size, range or type', () => {
    expect(failureOf(() => decode(int32(), new Uint8Array(5))).message).toContain('5 bytes instead of 4')
    expect(failureOf(() => decode(int64(), new Uint8Array(4))).message).toContain('4 bytes instead of 8')
    expect(failureOf(() => decode(double(), new Uint8Array(0))).message).toContain('0 bytes instead of 8')
    for (const value of [2 ** 31, 1.5, Number.NaN, -(2 ** 31) - 1, '1' as unknown as number])
      expect(failureOf(() => encode(int32(), value)).code).toBe('NOT_ENCODABLE')
    for (const value of [2n ** 63n, -(2n ** 63n) - 1n, 1 as unknown as bigint])
      expect(failureOf(() => encode(int64(), value)).code).toBe('NOT_ENCODABLE')
    for (const value of ['1', null, 1n] as unknown as readonly number[])
      expect(failureOf(() => encode(double(), value)).code).toBe('NOT_ENCODABLE')
    expect(failureOf(() => encode(bytes(), 'x' as unknown as Uint8Array)).code).toBe('NOT_ENCODABLE')
    expect(failureOf(() => encode(text(), 1 as unknown as string)).code).toBe('NOT_ENCODABLE')
  })
})
