import { expect, test } from 'vitest'
import { murmur2, partitionOfKey } from './murmur2.ts'

// Of UtilsTest.testMurmur2 in Kafka.
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('the hash of %s is the one that Kafka computes', (text, hash) => {
  expect(murmur2(Buffer.from(text))).toBe(hash)
})

test('a negative hash gives a partition as it does in Java: the sign bit is cleared, not the sign turned', () => {
  expect(partitionOfKey(Buffer.from('foobar'), 7)).toBe((-790332482 & 0x7fffffff) % 7)
})
