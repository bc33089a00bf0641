import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { isTidemarkError, TidemarkError } from '../../core/errors.ts'
import { type BarrierVector, parseBarrierVectors } from './barrier-vector.ts'
import { compareReplay, type Verdict } from './compare-replay.ts'
import { replayVector } from './replay-vector.ts'

const USAGE = 'usage: npm run -s golden:barriers -- FILE.jsonl'

export interface CommandOutput {
  readonly out: (line: string) => void
  readonly error: (line: string) => void
}

/**
 * Replays a file of barrier vectors. Prints every mismatch, then `N matched, M mismatched, K intended deviations`, each vector counted once.
 * Returns the exit code: 0, 1 when something mismatched, 2 when the file cannot be read or is not one of vectors.
 */
export function replayFile(args: readonly string[], directory: string, output: CommandOutput): 0 | 1 | 2 {
  const file = args[0]
  if (file === undefined || args.length > 1) {
    output.error(USAGE)
    return 2
  }
  let vectors: readonly BarrierVector[]
  try {
    vectors = parseBarrierVectors(read(resolve(directory, file)), file)
  } catch (error) {
    if (!isTidemarkError(error)) throw error
    output.error(`${error.message} ${error.action ?? ''}`.trim())
    return 2
  }
  const counts = { matched: 0, mismatched: 0, 'intended-deviation': 0 }
  for (const vector of vectors) {
    const replay = replayVector(vector)
    const verdict = compareReplay(vector, replay)
    counts[verdict.kind]++
    if (verdict.kind === 'mismatched') for (const line of describeMismatch(vector, verdict)) output.out(line)
  }
  const { matched, mismatched } = counts
  output.out(`${matched} matched, ${mismatched} mismatched, ${counts['intended-deviation']} intended deviations`)
  return mismatched > 0 ? 1 : 0
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new TidemarkError('CORRUPT_DATA', `${path} cannot be read: ${reason}.`, { action: USAGE, cause: error })
  }
}

function describeMismatch(vector: BarrierVector, verdict: Extract<Verdict, { kind: 'mismatched' }>): readonly string[] {
  const { handler, channels, maxBufferedBytes, policies } = vector
  const limit = maxBufferedBytes === -1 ? '' : `, at most ${maxBufferedBytes} bytes`
  const blocked = handler === 'buffer' ? `${policies.blocked}, ` : ''
  return [
    `mismatch: ${vector.name} (line ${vector.line}; ${handler}, ${channels} channels${limit}; ${blocked}end of partition ${policies.endOfPartition})`,
    `  input:    ${vector.input.join(' ')}`,
    `  effect ${verdict.at + 1} differs after: ${vector.expected.slice(Math.max(0, verdict.at - 3), verdict.at).join(' | ') || '(the start)'}`,
    `  expected: ${verdict.expected}`,
    `  actual:   ${verdict.actual}`,
  ]
}
