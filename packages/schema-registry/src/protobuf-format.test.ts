import { isTidemarkError } from 'tidemark/connector'
import { describe, expect, it } from 'vitest'
import { protobufFormat } from './protobuf.ts'
import type { RegisteredSchema } from './registry-client.ts'
import { hex, spaceless } from './testing/codec-kit.ts'

const registered = (schema: string): RegisteredSchema => ({ type: 'PROTOBUF', schema, references: [] })
const bytesOf = (text: string) => new Uint8Array(Buffer.from(spaceless(text), 'hex'))
const head = 'syntax = "proto3"; package p;'

describe('the wire format of Protobuf', () => {
  // Bytes from protobuf.dev/programming-guides/encoding where it has some; in front the path to the message, as Confluent's documentation writes it.
  it.each<readonly [string, string, string | undefined, object, string]>([
    ['a number', 'message T { int32 a = 1; }', undefined, { a: 150 }, '00 08 96 01'],
    ['a negative number', 'message T { int32 a = 1; }', undefined, { a: -2 }, '00 08 fe ff ff ff ff ff ff ff ff 01'],
    ['a zigzag number', 'message T { sint32 a = 1; sint64 b = 2; }', undefined, { a: -2, b: -1n }, '00 08 03 10 01'],
    ['a text', 'message T { string b = 2; }', undefined, { b: 'testing' }, '00 12 07 74 65 73 74 69 6e 67'],
    [
      'a message',
      'message T { U c = 3; } message U { int32 a = 1; }',
      undefined,
      { c: { a: 150 } },
      '00 1a 03 08 96 01',
    ],
    [
      'packed numbers',
      'message T { repeated int32 f = 6; }',
      undefined,
      { f: [3, 270, 86942] },
      '00 32 06 03 8e 02 9e a7 05',
    ],
    [
      'fixed numbers',
      'message T { fixed32 a = 1; sfixed64 b = 2; }',
      undefined,
      { a: 1, b: -1n },
      '00 0d 01 00 00 00 11 ff ff ff ff ff ff ff ff',
    ],
    [
      'the largest number',
      'message T { uint64 a = 1; }',
      undefined,
      { a: 2n ** 64n - 1n },
      '00 08 ff ff ff ff ff ff ff ff ff 01',
    ],
    ['a map', 'message T { map<string, int32> m = 7; }', undefined, { m: { a: 1 } }, '00 3a 05 0a 01 61 10 01'],
    ['the second message', 'message S {} message T { bool a = 1; }', 'p.T', { a: true }, '02 02 08 01'],
    ['a nested one', 'message S {} message T { message U { bool a = 1; } }', 'p.T.U', { a: true }, '04 02 00 08 01'],
    ['a field of a large number', 'message T { bool a = 536870911; }', undefined, { a: true }, '00 f8 ff ff ff 0f 01'],
  ])('%s', (_, definition, message, value, bytes) => {
    const schema = registered(`${head} ${definition}`)
    const options = message === undefined ? {} : { message }
    expect(hex(protobufFormat(options).compileWrite(schema)(value))).toBe(spaceless(bytes))
    expect(protobufFormat({}).compileRead(schema)(bytesOf(bytes), 0)).toMatchObject(value)
  })

  it('is read as others may write it: the path of the first message in full, numbers unpacked, fields twice and unknown', () => {
    const read = protobufFormat({}).compileRead(
      registered(
        `${head} message T { repeated int32 f = 6; int32 a = 1; U u = 2; } message U { int32 a = 1; int32 b = 2; }`,
      ),
    )
    expect(read(bytesOf('02 00 30 03 30 05 32 01 07'), 0)).toMatchObject({ f: [3, 5, 7] })
    // The last one counts; messages are merged; what is not known is passed over.
    expect(read(bytesOf('00 08 01 08 02 12 02 08 05 12 02 10 06 98 06 01'), 0)).toMatchObject({
      a: 2,
      u: { a: 5, b: 6 },
    })
  })
})

describe('a Protobuf schema from elsewhere', () => {
  const code = `x'];globalThis.hacked=1;//`

  it.each([
    `message ${code} {}`,
    `message T { int32 ${code} = 1; }`,
    `message T { int32 a = 1 [json_name = "${code}"]; }`,
    `message T { option (${code}) = 1; }`,
    `option constructor.prototype.hacked = true; message T {}`,
    `option __proto__.hacked = true; message T {}`,
    `message T { int32 a = 1 [constructor.prototype.hacked = true]; }`,
    `message T { oneof ${code} { int32 a = 1; } }`,
    `enum E { ${code} = 0; } message T { E e = 1; }`,
    `import "${code}"; import "/etc/passwd"; import "http://127.0.0.1:1/a.proto"; message T {}`,
    `message __proto__ { int32 a = 1; } message T { __proto__ a = 1; }`,
    `message T { int32 __proto__ = 1; }`,
    `message T { map<string, __proto__> constructor = 1; }`,
    `message T { constructor a = 1; toString b = 2; }`,
    `message T { string a = 1 [default = "${code}"]; }`,
  ])('runs and changes nothing: %s', (definition) => {
    for (const syntax of ['proto2', 'proto3']) {
      try {
        protobufFormat({}).compileRead(registered(`syntax = "${syntax}"; ${definition}`))(bytesOf('00 08 01'), 0)
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
      }
    }
    expect((globalThis as { hacked?: unknown }).hacked).toBeUndefined()
    expect(({} as { hacked?: unknown }).hacked).toBeUndefined()
  })

  it('has entries of maps under any name, and bad records for text that is none and for endless nesting', () => {
    const map = protobufFormat({}).compileRead(registered(`${head} message T { map<string, string> m = 1; }`))
    const read = map(bytesOf('00 0a 0e 0a 09 5f5f70726f746f5f5f 12 01 61'), 0) as { readonly m: object }
    expect(Object.entries(read.m)).toEqual([['__proto__', 'a']])
    const text = protobufFormat({}).compileRead(registered(`${head} message T { string a = 1; T t = 2; }`))
    const failing = [bytesOf('00 0a 01 ff'), new Uint8Array([0, ...nested(200)])]
    for (const given of failing) {
      let error: unknown
      try {
        text(given, 0)
      } catch (thrown) {
        error = thrown
      }
      expect(isTidemarkError(error) && error.code).toBe('CORRUPT_DATA')
    }
  })
})

/** Messages within messages. */
function nested(depth: number): readonly number[] {
  let bytes: readonly number[] = []
  for (let level = 0; level < depth; level++) {
    const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7]
    bytes = [0x12, ...length, ...bytes]
  }
  return bytes
}
