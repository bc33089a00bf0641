import { toErrorInfo } from '../../core/errors.ts'
import type { BarrierVector } from './barrier-vector.ts'
import type { Replay } from './replay-vector.ts'

export type Verdict =
  | { readonly kind: 'matched' }
  /** Equal but for the intended deviation, this many times. */
  | { readonly kind: 'intended-deviation'; readonly times: number }
  | { readonly kind: 'mismatched'; readonly at: number; readonly expected: string; readonly actual: string }

const NOTHING_MORE = '(nothing more)'

/** Line by line, exactly; the two known differences from old Flink are told apart by rule. */
export function compareReplay(vector: BarrierVector, replay: Replay): Verdict {
  let times = 0
  const length = Math.max(vector.expected.length, replay.lines.length)
  for (let at = 0; at < length; at++) {
    const expected = vector.expected[at]
    const actual = replay.lines[at]
    if (expected !== undefined && actual !== undefined) {
      if (expected === actual.text || expected === actual.sameInFlink) continue
      if (expected === actual.wrongInFlink) {
        times++
        continue
      }
    }
    return { kind: 'mismatched', at, expected: expected ?? NOTHING_MORE, actual: actual?.text ?? NOTHING_MORE }
  }
  // What is thrown has another name in another language: only whether something is thrown can be compared.
  if ((vector.error === null) !== (replay.error === null)) {
    const expected = vector.error === null ? 'no error' : `error: ${vector.error}`
    return {
      kind: 'mismatched',
      at: length,
      expected,
      actual: replay.error === null ? 'no error' : toErrorInfo(replay.error).message,
    }
  }
  return times === 0 ? { kind: 'matched' } : { kind: 'intended-deviation', times }
}
