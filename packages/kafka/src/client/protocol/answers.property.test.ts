import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Api } from './api.ts'
import * as clusterApis from './cluster-apis.ts'
import * as groupApis from './group-apis.ts'
import * as recordApis from './record-apis.ts'
import * as saslApis from './sasl-apis.ts'
import * as transactionApis from './transaction-apis.ts'
import { WireReader, WireWriter } from './wire.ts'

const APIS = [clusterApis, groupApis, recordApis, saslApis, transactionApis]
  .flatMap((module) => Object.values(module) as readonly unknown[])
  .filter((value): value is Api<never, unknown> => typeof value === 'object' && value !== null && 'read' in value)

/** Makes up an answer while it is read: whatever is asked for is there, and `bytes` are what a broker would have sent. */
class InventingReader extends WireReader {
  private readonly writer = new WireWriter()
  private readonly pick: (most: number) => number
  private depth = 0

  constructor(pick: (most: number) => number) {
    super(Buffer.alloc(0))
    this.pick = pick
  }

  bytesSent(): Buffer {
    return Buffer.concat(this.writer.finish())
  }

  override int8(): number {
    return this.written(this.pick(127), (value) => this.writer.int8(value))
  }

  override int16(): number {
    // Mostly no error.
    return this.written(this.pick(3) === 0 ? this.pick(120) : 0, (value) => this.writer.int16(value))
  }

  override int32(): number {
    return this.written(this.pick(3), (value) => this.writer.int32(value))
  }

  override bigint(): bigint {
    return BigInt(this.written(this.pick(2 ** 40), (value) => this.writer.int64(value)))
  }

  override boolean(): boolean {
    return this.int8() !== 0
  }

  override unsignedVarint(): number {
    return this.written(this.pick(2 ** 20), (value) => this.writer.unsignedVarint(value))
  }

  override nullableString(): string | null {
    const value = this.pick(4) === 0 ? null : this.text()
    this.writer.string(value)
    return value
  }

  override string(): string {
    return this.written(this.text(), (value) => this.writer.string(value))
  }

  override shortString(): string {
    return this.written(this.text(), (value) => this.writer.shortString(value))
  }

  override uuid(): string {
    return this.written('00010203-0405-0607-0809-0a0b0c0d0e0f', (value) => this.writer.uuid(value))
  }

  override array<T>(read: () => T): readonly T[] {
    const length = this.depth > 3 ? 0 : this.pick(3)
    this.writer.unsignedVarint(length + 1)
    this.depth++
    const items = Array.from({ length }, read)
    this.depth--
    return items
  }

  override bytes(): Buffer {
    return this.written(Buffer.from(this.text()), (value) => this.writer.bytes(value))
  }

  override end(): void {
    this.writer.end()
  }

  private text(): string {
    return 'orders~é'.slice(0, this.pick(8))
  }

  private written<T>(value: T, write: (value: T) => unknown): T {
    write(value)
    return value
  }
}

function invent(
  api: Api<never, unknown>,
  seed: readonly number[],
): { readonly bytes: Buffer; readonly answer: unknown } {
  let next = 0
  const reader = new InventingReader((most) => (seed[next++ % seed.length] ?? 0) % (most + 1))
  const answer = api.read(reader, api.maxVersion)
  return { bytes: reader.bytesSent(), answer }
}

/** How many objects, texts and numbers there are in it. */
function sizeOf(value: unknown): number {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return 1
  return Object.values(value).reduce<number>((sum, part) => sum + sizeOf(part), 1)
}

const seed = fc.array(fc.nat(2 ** 31), { minLength: 1, maxLength: 40 })
const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 })

describe.each(APIS.map((api) => [api.name, api] as const))('an answer to %s', (_, api) => {
  test('is read as it was sent', () => {
    fc.assert(
      fc.property(seed, (choices) => {
        const { bytes, answer } = invent(api, choices)
        expect(api.read(new WireReader(bytes), api.maxVersion)).toEqual(answer)
      }),
      { numRuns: 100 },
    )
  })

  test('that is damaged or cut off is another one or a RangeError, and never larger than its bytes allow', () => {
    fc.assert(
      fc.property(seed, changes, fc.option(fc.nat()), (choices, damage, cut) => {
        const { bytes } = invent(api, choices)
        if (bytes.length === 0) return
        for (const [at, value] of damage) bytes[at % bytes.length] = value
        const given = cut === null ? bytes : bytes.subarray(0, cut % bytes.length)
        try {
          expect(sizeOf(api.read(new WireReader(given), api.maxVersion))).toBeLessThan(20 * given.length + 20)
        } catch (error) {
          if (!(error instanceof RangeError)) throw error
        }
      }),
      { numRuns: 400 },
    )
  })

  test('of any bytes, and of counts without end', () => {
    const many = [0xff, 0xff, 0xff, 0xff, 0x7f]
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .array(fc.constantFrom(many, [0], [1], [2], [0x7f, 0xff, 0xff, 0xff]), { maxLength: 60 })
        .map((parts) => Uint8Array.from(parts.flat())),
    )
    fc.assert(
      fc.property(bytes, (given) => {
        try {
          api.read(new WireReader(Buffer.from(given)), api.maxVersion)
        } catch (error) {
          if (!(error instanceof RangeError)) throw error
        }
      }),
      { numRuns: 300 },
    )
  })
})

test('every request has its answer here', () => {
  expect(APIS.map(({ key }) => key).toSorted((left, right) => left - right)).toEqual([
    0, 1, 2, 3, 8, 9, 10, 17, 18, 19, 20, 21, 22, 23, 24, 26, 32, 36, 65, 66,
  ])
})
