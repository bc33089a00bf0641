import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { replayFile } from './command.ts'

const GOOD = {
  name: 'good',
  handler: 'buffer',
  channels: 2,
  maxBufferedBytes: -1,
  input: ['B1@0', 'b0', 'B1@1', 'E0', 'E1'],
  expected: ['TRIGGER 1 buffered=19', 'OUT 1 ch0', 'OUT EOP ch0', 'OUT EOP ch1'],
  error: null,
}
const SUBSUMED = 'CheckpointDeclineSubsumedException'
const CANCELLED = 'CheckpointDeclineOnCancellationBarrierException'
const BUG = {
  ...GOOD,
  name: 'any name',
  input: ['B1@0', 'C2@1', 'B3@0', 'C4@1', 'b0'],
  expected: [`ABORT 2 ${SUBSUMED}`, `ABORT 2 ${CANCELLED}`, `ABORT 4 ${SUBSUMED}`, `ABORT 4 ${CANCELLED}`, 'OUT 4 ch0'],
}

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tidemark-vectors-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

function replayText(text: string): { code: number; out: string[]; errors: string[] } {
  writeFileSync(join(directory, 'vectors.jsonl'), text)
  return replay('vectors.jsonl')
}

function replay(...args: readonly string[]): { code: number; out: string[]; errors: string[] } {
  const out: string[] = []
  const errors: string[] = []
  const code = replayFile(args, directory, { out: (line) => out.push(line), error: (line) => errors.push(line) })
  return { code, out, errors }
}

function replayVectors(...vectors: readonly object[]): { code: number; out: string[]; errors: string[] } {
  return replayText(vectors.map((vector) => JSON.stringify(vector)).join('\n'))
}

describe('replaying a file of barrier vectors', () => {
  it('prints only the counts when everything matches', () => {
    expect(replayVectors(GOOD, GOOD)).toEqual({
      code: 0,
      out: ['2 matched, 0 mismatched, 0 intended deviations'],
      errors: [],
    })
  })

  it('shows what differs above the counts and returns 1', () => {
    const { code, out } = replayVectors(GOOD, { ...GOOD, name: 'bad', expected: ['OUT 1 ch0', ...GOOD.expected] })
    expect(code).toBe(1)
    expect(out.join('\n')).toContain('bad (line 2;')
    expect(out.join('\n')).toContain('expected: OUT 1 ch0\n  actual:   TRIGGER 1 buffered=19')
    expect(out.at(-1)).toBe('1 matched, 1 mismatched, 0 intended deviations')
  })

  it.each([
    ['an effect is missing', { ...GOOD, expected: GOOD.expected.slice(0, -1) }],
    ['an effect is too many', { ...GOOD, expected: [...GOOD.expected, 'OUT EOP ch1'] }],
    ['other bytes were stored', { ...GOOD, expected: GOOD.expected.with(0, 'TRIGGER 1 buffered=18') }],
    [
      'zero bytes are said where some were stored',
      { ...GOOD, expected: GOOD.expected.with(0, 'TRIGGER 1 buffered=0') },
    ],
    ['an error is expected and none comes', { ...GOOD, error: 'IOException' }],
    ['the wrong cause is named', { ...BUG, expected: BUG.expected.with(1, `ABORT 2 ${SUBSUMED}`) }],
    ['one of several deviations names a third id', { ...BUG, expected: BUG.expected.with(2, `ABORT 5 ${SUBSUMED}`) }],
  ])('is a mismatch when %s', (_, vector) => {
    expect(replayVectors(vector).out.at(-1)).toBe('0 matched, 1 mismatched, 0 intended deviations')
  })

  it('counts a vector with the report of old Flink as one intended deviation, however often it occurs in it', () => {
    expect(replayVectors(BUG)).toMatchObject({ code: 0, out: ['0 matched, 0 mismatched, 1 intended deviations'] })
  })

  it('matches the right report in the place of the intended deviation', () => {
    const expected = BUG.expected.with(0, `ABORT 1 ${SUBSUMED}`).with(2, `ABORT 3 ${SUBSUMED}`)
    expect(replayVectors({ ...BUG, expected }).out).toEqual(['1 matched, 0 mismatched, 0 intended deviations'])
  })

  it('does not take the same lines for the deviation when a newer barrier ended the alignment', () => {
    const input = ['B1@0', 'B2@1', 'C2@2', 'b0']
    const wrong = [`ABORT 2 ${SUBSUMED}`, `ABORT 2 ${CANCELLED}`, 'OUT 3 ch0']
    const vector = { ...GOOD, channels: 3, input }
    expect(replayVectors({ ...vector, expected: wrong }).code).toBe(1)
    expect(replayVectors({ ...vector, expected: wrong.with(0, `ABORT 1 ${SUBSUMED}`) }).code).toBe(0)
  })

  it('lets the metric say either 0 or the size of the older sequence, and nothing else', () => {
    const input = ['B1@0', 'B2@0', 'b0', 'E1']
    const expected = ['ABORT 1 InputEndOfStreamException', 'OUT EOP ch1', 'TRIGGER 2 buffered=52', 'OUT 2 ch0']
    expect(replayVectors({ ...GOOD, input, expected }).code).toBe(0)
    expect(replayVectors({ ...GOOD, input, expected: expected.with(2, 'TRIGGER 2 buffered=0') }).code).toBe(0)
    expect(replayVectors({ ...GOOD, input, expected: expected.with(2, 'TRIGGER 2 buffered=51') }).code).toBe(1)
  })

  it('takes the policies from the vector', () => {
    const input = ['B1@0', 'b0', 'E1']
    const expected = ['ABORT 1 InputEndOfStreamException', 'OUT EOP ch1', 'OUT 1 ch0']
    const modern = ['TRIGGER 1 buffered=0', 'OUT EOP ch1', 'OUT 1 ch0']
    const policies = { blocked: 'in-channel', endOfPartition: 'aligned' }
    expect(replayVectors({ ...GOOD, input, expected }, { ...GOOD, input, expected: modern, policies }).code).toBe(0)
  })

  it.each<readonly [string, RegExp]>([
    ['{', /:1 is not JSON/],
    ['[]', /:1 is not a JSON object/],
    ['\n\n', /holds no vectors/],
    [JSON.stringify({ ...GOOD, handler: 'queue' }), /:1 has handler "queue"/],
    [JSON.stringify({ ...GOOD, channels: 0 }), /channels 0/],
    [JSON.stringify({ ...GOOD, maxBufferedBytes: 0 }), /maxBufferedBytes 0/],
    [JSON.stringify({ ...GOOD, input: ['b2'] }), /input for channel 2/],
    [JSON.stringify({ ...GOOD, input: ['B1'] }), /input that is not understood: "B1"/],
    [JSON.stringify({ ...GOOD, expected: ['OUT x'] }), /expected line that is not understood: "OUT x"/],
    [JSON.stringify({ ...GOOD, expected: undefined }), /needs expected/],
    [JSON.stringify({ ...GOOD, policies: { endOfPartition: 'ignored' } }), /"ignored"/],
    [`${JSON.stringify(GOOD)}\nnull`, /:2 is not a JSON object/],
  ])('says what is wrong with vector file %# and returns 2', (text, problem) => {
    const { code, out, errors } = replayText(text)
    expect({ code, out }).toEqual({ code: 2, out: [] })
    expect(errors.join('\n')).toMatch(problem)
  })

  it('says which file cannot be read, and how it is called, and returns 2', () => {
    expect(replay('absent.jsonl')).toMatchObject({ code: 2, out: [] })
    expect(replay('absent.jsonl').errors.join('\n')).toContain('absent.jsonl cannot be read: ENOENT')
    expect(replay()).toMatchObject({ code: 2, errors: ['usage: npm run -s golden:barriers -- FILE.jsonl'] })
  })
})
