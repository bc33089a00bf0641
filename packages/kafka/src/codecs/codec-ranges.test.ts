import fc from 'fast-check'
import { isTidemarkError } from 'tidemark/connector'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Codec, DecodeContext } from '../codec.ts'
import { bytes, json, nullable, text } from './index.ts'

const AT: DecodeContext = { topic: 'orders', part: 'value' }
const context = { secret: () => '' }
const CODECS: readonly Codec<unknown>[] = [
  text(),
  bytes(),
  json(),
  json(z.object({ shop: z.string() })),
  nullable(text()),
  nullable(bytes()),
] as readonly Codec<unknown>[]

/** What comes of it, also where it fails. */
function outcome(action: () => unknown): unknown {
  try {
    return action()
  } catch (error) {
    if (isTidemarkError(error)) return { code: error.code, message: error.message, context: error.context }
    throw error
  }
}

/** Texts and what only looks like them, short and long. */
const anyText = fc.oneof(
  fc.string({ unit: 'grapheme-ascii', maxLength: 80 }),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc
    .array(fc.constantFrom('a', '"', '\\', '\n', '\u007f', 'ß', '€', '😀', '\ud83c', '\ufffd'))
    .map((all) => all.join('')),
  fc.nat(0xff).map((code) => `a${String.fromCharCode(code)}`),
  fc.integer({ min: 200, max: 3000 }).map((length) => 'x€'.repeat(length)),
)
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ minLength: 1000, maxLength: 1100 }),
  anyText.map((value) => new TextEncoder().encode(value)),
  fc.jsonValue().map((value) => new TextEncoder().encode(JSON.stringify(value))),
)

describe('codecs', () => {
  it('read a part of bytes as they read the same bytes alone, and keep what they have read', () => {
    fc.assert(
      fc.property(fc.constantFrom(...CODECS), fc.array(anyBytes, { maxLength: 30 }), (codec, values) => {
        const batch = Buffer.concat(
          values.map((value) => Buffer.concat([Buffer.from([0xff]), value, Buffer.from('"')])),
        )
        const alone = codec.createDecoding(context)
        const within = codec.createDecoding(context)
        let end = 0
        const read = values.map((value) => {
          const start = end + 1
          end = start + value.length + 1
          return outcome(() => within.decodeRange!(batch, start, start + value.length, AT))
        })
        batch.fill(0)
        expect(read).toEqual(values.map((value) => outcome(() => alone.decode(value, AT))))
      }),
    )
  })

  it('share memory between short bytes that they have read, but no byte of it', () => {
    const decoding = bytes().createDecoding(context)
    const given = Buffer.alloc(2000, 1)
    const sizes = Array.from({ length: 100 }, (_, index) => index * 15)
    const read = sizes.map((size) => decoding.decodeRange!(given, 7, 7 + size, AT))
    for (const [index, each] of read.entries()) each.fill(index)
    expect(read.map((each) => [...each])).toEqual(sizes.map((size, index) => Array.from({ length: size }, () => index)))
    expect(Math.max(...read.map(({ buffer }) => buffer.byteLength))).toBe(8192)
  })

  it('write into a buffer what they write otherwise, and nothing before it, or ask to be called otherwise', () => {
    const values = fc.oneof(anyText, fc.jsonValue(), fc.constant(undefined), fc.constant(null))
    const room = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.constant(20_000))
    let written = 0
    fc.assert(
      fc.property(fc.constantFrom(...CODECS), values, room, fc.nat(9), (codec, value, size, at) => {
        const encoding = codec.createEncoding(context)
        if (encoding.encodeInto === undefined) return
        const target = Buffer.alloc(at + size, 0xee)
        const end = outcome(() => encoding.encodeInto!(value, target, at, AT))
        if (end === -1) return
        const expected = outcome(() => encoding.encode(value, AT))
        if (typeof end !== 'number') {
          expect(end).toEqual(expected)
          return
        }
        expect(new Uint8Array(target.subarray(at, end))).toEqual(new Uint8Array(expected as Uint8Array))
        expect(target.subarray(0, at).every((byte) => byte === 0xee)).toBe(true)
        written++
      }),
      { numRuns: 3000 },
    )
    expect(written).toBeGreaterThan(100)
  })
})
