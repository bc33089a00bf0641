import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JobMetrics } from '../runtime/job/contract.ts'
import { formatBytes, formatDuration } from './format.ts'
import { fit, LiveLine, renderLiveLine } from './live-line.ts'
import { RateMeter } from './rate-meter.ts'
import { MemoryTerminal } from './testing/memory-terminal.ts'

const metrics: JobMetrics = {
  status: 'running',
  elapsedMs: 62_400,
  sourceRecords: 1_234_567,
  checkpointsCompleted: 12,
  checkpointsFailed: 0,
  lastCheckpoint: { checkpoint: 12, path: '/c/chk-12', durationMs: 8.3, bytes: 100 },
  medianCheckpointMs: 8,
  restarts: 0,
  backPressure: 0.337,
  operators: [],
}
const view = { job: 'word-count', metrics, recordsPerSecond: 19_783.4, hint: '' }

describe('the live line', () => {
  test('shows rate, checkpoints, back pressure and total', () => {
    expect(renderLiveLine(view, 200)).toBe(
      'word-count running · 19,783 records/s · 12 checkpoints (last 8 ms) · back pressure 34 % · 1,234,567 records in 1 min 2 s',
    )
  })

  test('shows failures only when there are some, and a hint last', () => {
    const troubled = { ...metrics, checkpointsCompleted: 1, checkpointsFailed: 2, restarts: 1, lastCheckpoint: null }
    expect(renderLiveLine({ ...view, metrics: troubled, hint: 'k kills it' }, 200)).toMatch(
      /1 checkpoint, 2 failed · back pressure 34 % · 1 restart · .* · k kills it$/,
    )
  })

  test('never is longer than the terminal is wide, and one line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat({ max: 120 }), (text, columns) => {
        const fitted = fit(text, columns)
        expect(Array.from(fitted).length).toBeLessThanOrEqual(columns)
        expect(fitted).not.toMatch(/\p{Cc}/u)
      }),
    )
    expect(fit('abcdef', 4)).toBe('abc…')
    expect(fit('abcd', 4)).toBe('abcd')
  })
})

describe('a terminal with a live line', () => {
  test('shows the newest line only, below lines that stay, and nothing after it is cleared', () => {
    const terminal = new MemoryTerminal()
    const line = new LiveLine(terminal)
    line.draw('a long first line')
    line.draw('second')
    expect(terminal.screen).toEqual(['second'])
    line.print('resumed')
    line.draw('third')
    expect(terminal.screen).toEqual(['resumed', 'third'])
    line.clear()
    expect(terminal.screen).toEqual(['resumed', ''])
  })

  test('makes room for what others write, and leaves their unfinished lines alone', () => {
    const terminal = new MemoryTerminal()
    const line = new LiveLine(terminal)
    const others = (text: string) => {
      line.makeRoomFor(text)
      terminal.write(text)
    }
    line.draw('live')
    others('a record\n')
    line.draw('live')
    expect(terminal.screen).toEqual(['a record', 'live'])
    others('half a re')
    line.draw('hidden')
    expect(terminal.screen).toEqual(['a record', 'half a re'])
    others('cord\n')
    line.draw('back')
    expect(terminal.screen).toEqual(['a record', 'half a record', 'back'])
    others('open')
    line.print('warning')
    expect(terminal.screen).toEqual(['a record', 'half a record', 'open', 'warning', ''])
  })

  test('is not written to when nothing has changed', () => {
    const terminal = new MemoryTerminal()
    const line = new LiveLine(terminal)
    line.draw('same')
    const before = terminal.written
    line.draw('same')
    expect(terminal.written).toBe(before)
  })
})

describe('records per second', () => {
  test('are those of the last moments', () => {
    const meter = new RateMeter(2000)
    expect(meter.read(0, 0)).toBe(0)
    expect(meter.read(1000, 500)).toBe(500)
    expect(meter.read(2000, 1000)).toBe(500)
    expect(meter.read(3000, 1000)).toBe(250)
    expect(meter.read(4000, 1000)).toBe(0)
  })

  test('begin again with a counter that does', () => {
    const meter = new RateMeter()
    meter.read(0, 1000)
    expect(meter.read(1000, 10)).toBe(0)
    expect(meter.read(2000, 20)).toBe(10)
  })
})

test.each([
  [0.4, '0 ms'],
  [999, '999 ms'],
  [59_940, '59.9 s'],
  [59_960, '1 min 0 s'],
  [3_599_600, '1 h 0 min'],
])('%d milliseconds read %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
})

test.each([
  [999, '999 B'],
  [1000, '1.0 kB'],
  [999_949, '999.9 kB'],
  [999_950, '1.0 MB'],
])('%d bytes read %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})
