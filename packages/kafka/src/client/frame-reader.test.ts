import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FrameReader } from './frame-reader.ts'

const MANY = 2 ** 31 - 1

function frameOf(correlation: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + body.length)
  head.writeInt32BE(correlation, 4)
  return Buffer.concat([head, body])
}

type Receive = (reader: FrameReader, bytes: Buffer) => void

/** The two ways in which bytes come in: in the socket's chunks, or read to where the reader wants them, in as many pieces as there is room. */
const WAYS: readonly (readonly [string, Receive])[] = [
  ['in chunks', (reader, bytes) => reader.take(bytes)],
  [
    'into room',
    (reader, bytes) => {
      for (let at = 0; at < bytes.length;) {
        const room = reader.room()
        const read = bytes.copy(room, 0, at)
        expect(read).toBeGreaterThan(0)
        reader.taken(read)
        at += read
      }
    },
  ],
]

describe.each(WAYS)('answers that come %s', (_name, receive) => {
  test('are the same, however the network cuts them', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 })
    fc.assert(
      fc.property(bodies, fc.array(fc.nat(40), { maxLength: 60 }), (sent, cuts) => {
        const received: Buffer[] = []
        const reader = new FrameReader(
          (correlation) => (correlation === received.length ? MANY : null),
          (frame) => void received.push(frame),
        )
        let rest = Buffer.concat(sent.map((body, index) => frameOf(index, body)))
        for (const cut of cuts) {
          receive(reader, rest.subarray(0, cut))
          rest = rest.subarray(cut)
        }
        receive(reader, rest)
        expect(received.map((frame) => frame.readInt32BE())).toEqual(sent.map((_, index) => index))
        expect(received.map((frame) => [...frame.subarray(4)])).toEqual(sent.map((body) => [...body]))
      }),
      { numRuns: 500 },
    )
  })

  test('stay as they were when the next ones come', () => {
    const received: Buffer[] = []
    const reader = new FrameReader(
      () => MANY,
      (frame) => void received.push(frame),
    )
    for (const value of [1, 2, 3]) {
      const frame = frameOf(value, Buffer.alloc(100, value))
      receive(reader, frame.subarray(0, 50))
      receive(reader, frame.subarray(50))
    }
    for (const value of [4, 5, 6]) receive(reader, frameOf(value, Buffer.alloc(100, value)))
    receive(reader, Buffer.concat([7, 8, 9].map((value) => frameOf(value, Buffer.alloc(40_000, value)))))
    const expected = Array.from({ length: 9 }, (_, index) => index + 1)
    expect(received.map((frame) => frame.at(-1))).toEqual(expected)
    expect(received.map((frame) => frame.at(4))).toEqual(expected)
  })

  test('to nothing that was asked are no answers, as soon as that can be seen', () => {
    const reader = new FrameReader(
      (correlation) => (correlation === 1 ? MANY : null),
      () => expect.fail('there is no answer'),
    )
    expect(() => receive(reader, Buffer.from('HTTP/1.1'))).toThrow('that was not sent')
  })

  test('of less than their head are none', () => {
    const reader = new FrameReader(
      () => MANY,
      () => expect.fail('there is no answer'),
    )
    expect(() => receive(reader, Buffer.from([0, 0, 0, 3, 0, 0, 0, 1]))).toThrow('an answer of 3 bytes')
    expect(() => receive(reader, Buffer.from([255, 255, 255, 255, 0, 0, 0, 1]))).toThrow('an answer of -1 bytes')
  })

  test('of more than they may have are none, before memory is set aside', () => {
    const reader = new FrameReader(
      () => 100,
      () => expect.fail('there is no answer'),
    )
    expect(() => receive(reader, Buffer.from([0, 0, 0, 101, 0, 0, 0, 1]))).toThrow('an answer of 101 bytes, where 100')
  })

  test('that say they are long do not take their memory before they come, and are whole when they do', () => {
    const received: Buffer[] = []
    const reader = new FrameReader(
      () => MANY,
      (frame) => void received.push(frame),
    )
    const before = process.memoryUsage().arrayBuffers
    const claims = Array.from({ length: 8 }, () => {
      const claiming = new FrameReader(
        () => MANY,
        () => expect.fail('there is no answer'),
      )
      claiming.take(Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1]))
      return claiming
    })
    expect(claims).toHaveLength(8)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 28)
    const long = frameOf(1, Buffer.alloc(40_000_000, 'tide'))
    for (let at = 0; at < long.length; at += 65_536) receive(reader, long.subarray(at, at + 65_536))
    expect(received).toHaveLength(1)
    expect(received[0]!.equals(long.subarray(4))).toBe(true)
  })
})
