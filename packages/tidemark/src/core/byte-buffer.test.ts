import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteBuffer } from './byte-buffer.ts'
import { ByteBufferReader } from './byte-buffer-reader.ts'

const anyString = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc.string({ maxLength: 300 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 100 }).map((units) => String.fromCharCode(...units)),
  fc.array(fc.constantFrom('\ud83d', '\ude00', 'a', '\u00e9', '\ufeff')).map((parts) => parts.join('')),
)

const encoded = (text: string) => {
  const buffer = new ByteBuffer()
  buffer.string(text)
  return buffer.take()
}

describe('a byte buffer', () => {
  it('gives back what was written, in order, whatever the mix', () => {
    const item = fc.oneof(
      fc.record({ kind: fc.constant('byte' as const), value: fc.integer({ min: 0, max: 255 }) }),
      fc.record({ kind: fc.constant('varint' as const), value: fc.maxSafeNat() }),
      fc.record({ kind: fc.constant('float64' as const), value: fc.double() }),
      fc.record({ kind: fc.constant('string' as const), value: anyString }),
      fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 80 }) }),
    )
    fc.assert(
      fc.property(fc.array(item, { maxLength: 60 }), (items) => {
        const buffer = new ByteBuffer(1)
        for (const { kind, value } of items) (buffer[kind] as (value: unknown) => void)(value)
        const reader = new ByteBufferReader(buffer.take())
        for (const { kind, value } of items) {
          if (kind === 'bytes') expect([...reader.bytes(value.length)]).toEqual([...value])
          else expect(reader[kind]()).toBe(value)
        }
        expect(reader.remaining).toBe(0)
        expect(buffer.length).toBe(0)
      }),
    )
  })

  it('writes well-formed strings as UTF-8 and keeps unpaired surrogates', () => {
    expect([...encoded('a\u00e9\u20ac\u{1f600}').subarray(1)]).toEqual([
      ...new TextEncoder().encode('a\u00e9\u20ac\u{1f600}'),
    ])
    expect([...encoded('\ud83d').subarray(1)]).toEqual([0xed, 0xa0, 0xbd])
    for (const text of ['\ud83d', '\ude00\ud83d', 'x'.repeat(100) + '\udc00', '\ufeffbom', '']) {
      expect(new ByteBufferReader(encoded(text)).string()).toBe(text)
    }
  })

  it.each([
    ['an overlong form', [0xc0, 0x80]],
    ['an overlong form of three bytes', [0xe0, 0x80, 0x80]],
    ['a surrogate pair written as two characters', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]],
    ['a character past the last', [0xf4, 0x90, 0x80, 0x80]],
    ['a cut character', [0xe2, 0x82]],
    ['a stray continuation', [0x80]],
    ['an impossible byte', [0xff]],
  ])('refuses %s in a string', (_what, bytes) => {
    const short = new Uint8Array([bytes.length, ...bytes])
    expect(() => new ByteBufferReader(short).string()).toThrow(expect.objectContaining({ code: 'CORRUPT_DATA' }))
    const long = new Uint8Array([bytes.length + 60, ...new Uint8Array(60).fill(97), ...bytes])
    expect(() => new ByteBufferReader(long).string()).toThrow(expect.objectContaining({ code: 'CORRUPT_DATA' }))
  })

  it('reads each sequence of bytes as at most one string', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const whole = new Uint8Array([bytes.length, ...bytes])
        let text: string
        try {
          text = new ByteBufferReader(whole).string()
        } catch {
          return
        }
        expect([...encoded(text)]).toEqual([...whole])
      }),
      { numRuns: 2000 },
    )
  })

  it('refuses varints of more than 53 bits and with needless bytes', () => {
    for (const bytes of [
      [255, 255, 255, 255, 255, 255, 255, 31],
      [128, 0],
      [128, 128, 128, 128, 128, 128, 128, 128, 1],
      [128],
    ]) {
      expect(() => new ByteBufferReader(new Uint8Array(bytes)).varint()).toThrow(
        expect.objectContaining({ code: 'CORRUPT_DATA' }),
      )
    }
  })

  it('keeps what lies before a truncation and hands out views', () => {
    const buffer = new ByteBuffer()
    buffer.bytes(new Uint8Array([1, 2, 3, 4]))
    buffer.truncate(2)
    buffer.byte(9)
    expect([...buffer.view(1)]).toEqual([2, 9])
    expect([...buffer.view(0, 1)]).toEqual([1])
  })
})
