import { describe, expect, it } from 'vitest'
import { recordBatch } from '../../core/element.ts'
import { BatchCollector, EMIT_LIMIT } from './batch-collector.ts'

describe('a collector', () => {
  it('refuses more records for one input record than may be held, and says what to do', () => {
    const collector = new BatchCollector('explode', 10, true)
    const emitAll = () => {
      for (let index = 0; index <= EMIT_LIMIT + 10; index++) collector.emit(index, Number.NaN, 0)
    }
    expect(emitAll).toThrow(
      expect.objectContaining({ code: 'TOO_MANY_OUTPUTS', action: expect.stringContaining('flatMap') }),
    )
  })

  it('freezes records and refuses what could not be stored, in development mode', () => {
    const collector = new BatchCollector('step', 10, true, true)
    const record = { tags: ['a'] }
    collector.emit(record, Number.NaN, 0)
    expect(() => record.tags.push('b')).toThrow(TypeError)
    expect(() => collector.emit({ user: { send: () => {} } }, Number.NaN, 0)).toThrow(
      expect.objectContaining({ code: 'NOT_ENCODABLE', message: expect.stringMatching(/step.*user\.send/s) }),
    )
  })

  it('knows which source record each record came from', () => {
    const collector = new BatchCollector('step', 10, true)
    collector.startInput({ describe: (index) => `line ${index}` }, [4, 4, 7])
    collector.emit('a', Number.NaN, 1)
    collector.emit('b', Number.NaN, 2)
    const { origin, origins } = collector.take()
    expect(origins!.map((index) => origin!.describe(index))).toEqual(['line 4', 'line 7'])
  })

  it('gives timestamps back with their records', () => {
    const collector = new BatchCollector('step', 10, true)
    collector.emit('a', Number.NaN, 0)
    collector.emit('b', 5, 1)
    expect(collector.take().timestamps).toEqual([Number.NaN, 5])
    collector.emit('c', Number.NaN, 0)
    expect(collector.take().timestamps).toBeNull()
  })

  it('hands a batch on without the hashes of its keys: they are of the edge that it came by', () => {
    const collector = new BatchCollector('shop', 10, true)
    collector.emitBatch({ ...recordBatch(['a']), keyHashes: [1] })
    expect(collector.take()).toEqual(recordBatch(['a']))
  })
})
