import * as zlib from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { sinkSettings } from './sink-settings.ts'

const HAS_ZSTD = 'zstdDecompressSync' in zlib

describe('the compression of a sink', () => {
  test.runIf(HAS_ZSTD)('is zstd where it is asked for', () => {
    expect(sinkSettings({ compression: 'zstd' }).compression).toBe('zstd')
  })

  test.skipIf(HAS_ZSTD)('is refused when the job is built where this Node lacks it, with what to do', () => {
    expect(() => sinkSettings({ compression: 'zstd' })).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        message: expect.stringContaining(`compression is 'zstd', which Node ${process.versions.node} lacks`),
        action: expect.stringMatching(/Node 22\.15 .*lz4/),
      }),
    )
  })
})
