import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FrameReader } from './frame-reader.ts'

function frameOf(correlation: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + body.length)
  head.writeInt32BE(correlation, 4)
  return Buffer.concat([head, body])
}

describe('answers', () => {
  test('are the same, however the network cuts them', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 })
    fc.assert(
      fc.property(bodies, fc.array(fc.nat(40), { maxLength: 60 }), (sent, cuts) => {
        const received: Buffer[] = []
        const reader = new FrameReader(
          (correlation) => correlation === received.length,
          (frame) => void received.push(frame),
        )
        let rest = Buffer.concat(sent.map((body, index) => frameOf(index, body)))
        for (const cut of cuts) {
          reader.take(rest.subarray(0, cut))
          rest = rest.subarray(cut)
        }
        reader.take(rest)
        expect(received.map((frame) => frame.readInt32BE())).toEqual(sent.map((_, index) => index))
        expect(received.map((frame) => [...frame.subarray(4)])).toEqual(sent.map((body) => [...body]))
      }),
      { numRuns: 500 },
    )
  })

  test('stay as they were when the next ones come', () => {
    const received: Buffer[] = []
    const reader = new FrameReader(
      () => true,
      (frame) => void received.push(frame),
    )
    for (const value of [1, 2, 3]) {
      const frame = frameOf(value, Buffer.alloc(100, value))
      reader.take(frame.subarray(0, 50))
      reader.take(frame.subarray(50))
    }
    expect(received.map((frame) => frame.at(-1))).toEqual([1, 2, 3])
  })

  test('to nothing that was asked are no answers, as soon as that can be seen', () => {
    const reader = new FrameReader(
      (correlation) => correlation === 1,
      () => expect.fail('there is no answer'),
    )
    expect(() => reader.take(Buffer.from('HTTP/1.1'))).toThrow('that was not sent')
  })

  test('of less than their head are none', () => {
    const reader = new FrameReader(
      () => true,
      () => expect.fail('there is no answer'),
    )
    expect(() => reader.take(Buffer.from([0, 0, 0, 3, 0, 0, 0, 1]))).toThrow('an answer of 3 bytes')
    expect(() => reader.take(Buffer.from([255, 255, 255, 255, 0, 0, 0, 1]))).toThrow('an answer of -1 bytes')
  })
})
