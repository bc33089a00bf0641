import { expect, test } from 'vitest'
import type { WriterContext } from '../core/sink.ts'
import { checkpointId } from '../core/ids.ts'
import { printSink } from './print-sink.ts'

function printed(prefix: string | null, records: readonly unknown[], from: number, to: number): readonly unknown[] {
  const lines: unknown[] = []
  const writer = printSink(prefix, (...values) => lines.push(values)).createWriter({} as WriterContext)
  expect(writer.write(records, from, to, null)).toBe(to)
  return lines
}

test('records are printed in order, and only those that were handed over', () => {
  expect(printed(null, ['a', { b: 1 }, 'c', 'd'], 1, 3)).toEqual([[{ b: 1 }], ['c']])
})

test('a name stands in front of every record', () => {
  expect(printed('orders', ['a', 'b'], 0, 2)).toEqual([
    ['orders>', 'a'],
    ['orders>', 'b'],
  ])
})

test('there is nothing to commit', async () => {
  const sink = printSink(null, () => {})
  expect(sink.delivery).toBe('at-least-once')
  await expect(sink.createWriter({} as WriterContext).prepareCommit(checkpointId(1))).resolves.toEqual([])
})
