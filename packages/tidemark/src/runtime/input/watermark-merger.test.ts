import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WatermarkMerger } from './watermark-merger.ts'

describe('the merged watermark', () => {
  it('is the least over active channels, and never goes back', () => {
    const command = fc.record({ channel: fc.nat(2), what: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.boolean()) })
    fc.assert(
      fc.property(fc.array(command), (commands) => {
        const merger = new WatermarkMerger(3, null)
        const seen = [-Infinity, -Infinity, -Infinity]
        const idle = [false, false, false]
        let expected = -Infinity
        for (const { channel, what } of commands) {
          const before = merger.current
          const result = typeof what === 'number' ? merger.onWatermark(channel, what) : merger.onStatus(channel, what)
          if (typeof what === 'number') seen[channel] = Math.max(seen[channel]!, what)
          else idle[channel] = what
          const active = seen.filter((_, index) => !idle[index])
          if (active.length > 0) expected = Math.max(expected, Math.min(...active))
          expect(merger.current).toBe(expected)
          expect(result).toBe(expected > before ? expected : null)
        }
      }),
    )
  })

  it('starts from the restored watermark', () => {
    const merger = new WatermarkMerger(1, 10)
    expect(merger.onWatermark(0, 5)).toBeNull()
    expect(merger.onWatermark(0, 11)).toBe(11)
  })
})
