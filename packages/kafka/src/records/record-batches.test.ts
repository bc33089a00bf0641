import { readFileSync } from 'node:fs'
import zlib from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { KafkaHeader } from '../options.ts'
import { createBatchBuilder } from './batch-builder.ts'
import { BATCH } from './batch-layout.ts'
import type { BatchIdentity, Compression, RecordCursor } from './contract.ts'
import { crc32c } from 'tidemark/connector'
import { createRecordCursor } from './record-cursor.ts'

interface PlainRecord {
  readonly offset: number
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly KafkaHeader[]
}

const HAS_ZSTD = 'zstdDecompressSync' in zlib
const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', ...(HAS_ZSTD ? ['zstd' as const] : [])]
const IDENTITY: BatchIdentity = { producerId: 2n ** 62n, producerEpoch: 5, baseSequence: 17, isTransactional: true }

function current(cursor: RecordCursor): PlainRecord {
  const { offset, timestampMs, key, value } = cursor
  return { offset, timestampMs, key, value, headers: cursor.headers() }
}

function readAll(bytes: Uint8Array): readonly PlainRecord[] {
  const cursor = createRecordCursor()
  const records: PlainRecord[] = []
  cursor.load(bytes)
  while (cursor.nextBatch()) while (cursor.nextRecord()) records.push(current(cursor))
  return records
}

function seal(batch: Buffer): void {
  batch.writeUInt32BE(crc32c(batch.subarray(BATCH.attributes)), BATCH.checksum)
}

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array))
const header = fc.record({ name: fc.string({ unit: 'binary', maxLength: 20 }), value: fc.option(bytes(20)) })
const record = fc.record({
  key: fc.option(bytes(200)),
  value: fc.option(fc.oneof(bytes(200), bytes(20_000))),
  headers: fc.array(header, { maxLength: 3 }),
  timestampMs: fc.oneof(
    fc.integer({ min: 1_600_000_000_000, max: 1_900_000_000_000 }),
    fc.maxSafeNat().map((time) => time % 2 ** 52),
  ),
})
const compression = fc.constantFrom(...COMPRESSIONS)

describe('what is built', () => {
  test('is read as it was appended', () => {
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 40 }),
        compression,
        fc.boolean(),
        (records, kind, isTransactional) => {
          const builder = createBatchBuilder(kind)
          for (const { key, value, headers, timestampMs } of records) builder.append(key, value, headers, timestampMs)
          const announced = builder.byteLength
          const batch = builder.finish({ ...IDENTITY, isTransactional })
          if (kind === 'none') expect(batch.length).toBe(announced)
          expect(readAll(batch)).toEqual(records.map((each, offset) => ({ offset, ...each })))
          const cursor = createRecordCursor()
          cursor.load(batch)
          cursor.nextBatch()
          expect(cursor.batch).toEqual({
            baseOffset: 0,
            lastOffset: records.length - 1,
            leaderEpoch: -1,
            recordCount: records.length,
            producerId: IDENTITY.producerId,
            producerEpoch: IDENTITY.producerEpoch,
            isTransactional,
            control: null,
            maxTimestampMs: Math.max(...records.map(({ timestampMs }) => timestampMs)),
            isAppendTime: false,
          })
          return true
        },
      ),
      { numRuns: 200 },
    )
  })

  test('leaves the builder empty, and what it gave away alone', () => {
    const builder = createBatchBuilder('none')
    builder.append(null, Buffer.from('first'), null, 1)
    const first = builder.finish(IDENTITY)
    const copy = Buffer.from(first)
    expect([builder.recordCount, builder.byteLength]).toEqual([0, BATCH.records])
    builder.append(null, Buffer.from('other'), null, 2)
    const second = builder.finish(IDENTITY)
    expect(first).toEqual(copy)
    expect(readAll(Buffer.concat([first, second])).map(({ value }) => String(value))).toEqual(['first', 'other'])
  })

  test('becomes smaller when it is compressed', () => {
    const sizes = COMPRESSIONS.map((kind) => {
      const builder = createBatchBuilder(kind)
      for (let index = 0; index < 1000; index++)
        builder.append(null, Buffer.from(`a record like many others, number ${index % 10}`), null, index)
      return builder.finish(IDENTITY).length
    })
    expect(Math.max(...sizes.slice(1))).toBeLessThan(sizes[0]! / 2)
  })

  test.skipIf(HAS_ZSTD)('is not zstd where Node does not have it, and says what to do', () => {
    expect(() => createBatchBuilder('zstd')).toThrow(/UNSUPPORTED_COMPRESSION_TYPE: .*Node 22\.15.*lz4/)
  })
})

describe('what Java wrote', () => {
  const file = new URL('../../../../test/golden/kafka-record-batches.json', import.meta.url)
  const fixtures = JSON.parse(readFileSync(file, 'utf8')) as readonly Fixture[]

  test.each(fixtures)('is read as it was told to write: $name', (fixture) => {
    const cursor = createRecordCursor()
    cursor.load(Buffer.from(fixture.bytes, 'base64'))
    expect(cursor.nextBatch()).toBe(true)
    expect(cursor.batch).toEqual({
      baseOffset: fixture.baseOffset,
      lastOffset: fixture.lastOffset,
      leaderEpoch: Buffer.from(fixture.bytes, 'base64').readInt32BE(12),
      recordCount: fixture.count,
      producerId: BigInt(fixture.producerId),
      producerEpoch: fixture.producerEpoch,
      isTransactional: fixture.isTransactional,
      control: fixture.name === 'commit marker' ? 'commit' : fixture.name === 'abort marker' ? 'abort' : null,
      maxTimestampMs: fixture.maxTimestamp,
      isAppendTime: fixture.name === 'append time',
    })
    if (fixture.name.includes('zstd') && !HAS_ZSTD) {
      expect(() => cursor.nextRecord()).toThrow(/UNSUPPORTED_COMPRESSION_TYPE: .*Node 22\.15/)
      return
    }
    const records: PlainRecord[] = []
    while (cursor.nextRecord()) records.push(current(cursor))
    expect(records).toEqual(fixture.records?.map(expected) ?? manyRecords(fixture.baseOffset))
    expect(cursor.nextBatch()).toBe(false)
  })
})

test('a time that somebody wrote in nanoseconds is a late one, and no damage', () => {
  const builder = createBatchBuilder('none')
  builder.append(null, Buffer.from('x'), null, 1)
  const batch = Buffer.from(builder.finish(IDENTITY))
  for (const [nanoseconds, timestampMs] of [
    [1_700_000_000_000_000_000n, Number.MAX_SAFE_INTEGER],
    [-(2n ** 63n), -Number.MAX_SAFE_INTEGER],
  ] as const) {
    batch.writeBigInt64BE(nanoseconds, BATCH.baseTimestamp)
    seal(batch)
    expect(readAll(batch).map((each) => each.timestampMs)).toEqual([timestampMs])
  }
})

test('a time long before the first of its batch is that', () => {
  const delta = -3_000_000_000_000_000_000n
  const varlong: number[] = []
  for (let rest = -2n * delta - 1n; ; rest >>= 7n) {
    varlong.push(Number(rest & 0x7fn) | (rest >= 0x80n ? 0x80 : 0))
    if (rest < 0x80n) break
  }
  const record = [0, ...varlong, 0, 1, 1, 0]
  const builder = createBatchBuilder('none')
  builder.append(null, null, null, 5)
  const head = Buffer.from(builder.finish(IDENTITY)).subarray(0, BATCH.records)
  const batch = Buffer.concat([head, Buffer.from([2 * record.length, ...record])])
  batch.writeInt32BE(batch.length - 12, BATCH.batchLength)
  seal(batch)
  expect(readAll(batch).map(({ timestampMs }) => timestampMs)).toEqual([-Number.MAX_SAFE_INTEGER])
})

test.each(COMPRESSIONS)('what becomes very small is read whole: %s', (kind) => {
  const builder = createBatchBuilder(kind)
  const values = [Buffer.alloc(3_000_000, 'a'), Buffer.alloc(100_000, 'bc')]
  for (const value of values) builder.append(null, value, null, 1)
  const read = readAll(builder.finish(IDENTITY))
  expect(read.map(({ value }) => Buffer.compare(value!, values.shift()!))).toEqual([0, 0])
})

describe('damage', () => {
  const samples = new Map(COMPRESSIONS.map((kind) => [kind, sample(kind)]))

  test('of any byte under the checksum is found before the first record', () => {
    fc.assert(
      fc.property(compression, fc.nat(), fc.integer({ min: 1, max: 255 }), (kind, place, change) => {
        const batch = Buffer.from(samples.get(kind)!)
        const at = BATCH.magic + (place % (batch.length - BATCH.magic))
        batch[at] = batch[at]! ^ change
        const cursor = createRecordCursor()
        cursor.load(batch)
        expect(() => cursor.nextBatch()).toThrow(/^CORRUPT_MESSAGE: the record batch at offset 0 is damaged/)
      }),
      { numRuns: 500 },
    )
  })

  test('with a right checksum is an error or other records, and never anything else', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 })
    let failures = 0
    fc.assert(
      fc.property(compression, damage, fc.option(fc.nat()), (kind, changes, cut) => {
        const whole = samples.get(kind)!
        const length = cut === null ? whole.length : BATCH.records + (cut % (whole.length - BATCH.records))
        const batch = Buffer.from(whole.subarray(0, length))
        for (const [place, value] of changes) batch[BATCH.attributes + (place % (length - BATCH.attributes))] = value
        batch.writeInt32BE(length - 12, BATCH.batchLength)
        seal(batch)
        try {
          readAll(batch)
        } catch (error) {
          failures++
          expect(String(error)).toMatch(
            /^KafkaError: (CORRUPT_MESSAGE: the record batch at|UNSUPPORTED_COMPRESSION_TYPE:)/,
          )
        }
      }),
      { numRuns: 3000 },
    )
    expect(failures).toBeGreaterThan(1000)
    // What was damaged leaves nothing behind: others are read as before.
    for (const batch of samples.values()) expect(readAll(batch)).toHaveLength(50)
  })

  test('that cuts the last batch off leaves the batches before it', () => {
    const batch = samples.get('none')!
    fc.assert(
      fc.property(fc.nat({ max: batch.length - 1 }), (length) => {
        expect(readAll(Buffer.concat([batch, batch.subarray(0, length)]))).toHaveLength(50)
      }),
    )
  })

  test('of lengths is told', () => {
    const batch = Buffer.from(samples.get('none')!)
    batch.writeInt32BE(3, BATCH.batchLength)
    expect(() => readAll(batch)).toThrow('shorter than its own fields')
    const more = Buffer.from(samples.get('none')!)
    more.writeInt32BE(2 ** 31 - 1, BATCH.recordCount)
    seal(more)
    expect(() => readAll(more)).toThrow('counts too many records')
    const fewer = Buffer.from(samples.get('none')!)
    fewer.writeInt32BE(49, BATCH.recordCount)
    seal(fewer)
    expect(() => readAll(fewer)).toThrow('longer than its records')
  })

  test('of offsets that do not ascend is told', () => {
    const builder = createBatchBuilder('none')
    for (let index = 0; index < 3; index++) builder.append(null, Buffer.from('x'), null, 1)
    const batch = Buffer.from(builder.finish(IDENTITY))
    // Length, attributes, time, and then the offset's delta of the second record: 8 bytes each.
    const second = BATCH.records + 8 + 3
    expect(batch[second]).toBe(2)
    for (const delta of [0, 4, 6]) {
      batch[second] = delta
      seal(batch)
      expect(() => readAll(batch)).toThrow('its offsets do not ascend')
    }
  })

  test('is an old message format, when it is that', () => {
    const old = Buffer.from(samples.get('none')!)
    old[BATCH.magic] = 1
    expect(() => readAll(old)).toThrow(/CORRUPT_MESSAGE: .*message format 1/)
  })
})

test('skips a batch whose records nobody asks for, without decompressing it', () => {
  const builder = createBatchBuilder('lz4')
  builder.append(null, Buffer.from('never seen'), null, 1)
  const broken = Buffer.from(builder.finish(IDENTITY))
  // No LZ4 frame any more: reading its records would fail.
  broken[BATCH.records] = 0
  seal(broken)
  builder.append(null, Buffer.from('seen'), null, 1)
  const cursor = createRecordCursor()
  cursor.load(Buffer.concat([broken, builder.finish(IDENTITY)]))
  expect([cursor.nextBatch(), cursor.nextBatch(), cursor.nextRecord()]).toEqual([true, true, true])
  expect(String(cursor.value)).toBe('seen')
})

interface Fixture {
  readonly name: string
  readonly baseOffset: number
  readonly lastOffset: number
  readonly count: number
  readonly producerId: string
  readonly producerEpoch: number
  readonly isTransactional: boolean
  readonly maxTimestamp: number
  readonly records: readonly (readonly [number, number, ...(string | null)[]])[] | null
  readonly bytes: string
}

function expected([offset, timestampMs, key, value, ...headers]: readonly [
  number,
  number,
  ...(string | null)[],
]): PlainRecord {
  return {
    offset,
    timestampMs,
    key: decode(key),
    value: decode(value),
    headers: Array.from({ length: headers.length / 2 }, (_, index) => ({
      name: decode(headers[2 * index])!.toString(),
      value: decode(headers[2 * index + 1]),
    })),
  }
}

/** As `many()` of RecordBatchFixtures.java makes them. */
function manyRecords(baseOffset: number): readonly PlainRecord[] {
  return Array.from({ length: 3000 }, (_, index) => ({
    offset: baseOffset + index,
    timestampMs: 1_700_000_000_000 + index,
    key: Buffer.from(`key ${index % 17}`),
    value: Buffer.from(`{"id":${index},"customer":"customer ${(index * 7919) % 1000}","amount":${(index * 31) % 977}}`),
    headers: [],
  }))
}

function decode(text: string | null | undefined): Buffer | null {
  return text === null || text === undefined ? null : Buffer.from(text, 'base64')
}

function sample(kind: Compression): Buffer {
  const builder = createBatchBuilder(kind)
  const headers = [{ name: 'trace', value: Buffer.from('abc') }]
  for (let index = 0; index < 50; index++) {
    builder.append(
      Buffer.from(`k${index}`),
      Buffer.from(`value ${index} `.repeat(1 + (index % 5))),
      headers,
      1_000 + index,
    )
  }
  return Buffer.from(builder.finish(IDENTITY))
}
