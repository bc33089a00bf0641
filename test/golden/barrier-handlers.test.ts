import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseBarrierVectors } from '../../packages/tidemark/src/testing/barrier-vectors/barrier-vector.ts'
import { compareReplay } from '../../packages/tidemark/src/testing/barrier-vectors/compare-replay.ts'
import { replayVector } from '../../packages/tidemark/src/testing/barrier-vectors/replay-vector.ts'

describe.each(['barrier-handlers-classic.jsonl', 'barrier-handlers-production.jsonl'])('%s', (file) => {
  const text = readFileSync(new URL(file, import.meta.url), 'utf8')

  it.each(parseBarrierVectors(text, file).map((vector) => [`${vector.handler}: ${vector.name}`, vector] as const))(
    '%s',
    (_, vector) => {
      const replay = replayVector(vector)
      expect(replay.error).toBe(null)
      const verdict = compareReplay(vector, replay)
      // Where Flink's own report is kept in the vector, the name says so; nothing else may deviate.
      const isReportOfFlink = vector.name.endsWith('as Flink 1.4 reports it')
      expect(verdict).toMatchObject({ kind: isReportOfFlink ? 'intended-deviation' : 'matched' })
    },
  )
})
