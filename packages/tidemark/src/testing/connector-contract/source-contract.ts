import type { Random } from '../../core/clock.ts'
import { assert } from '../../core/errors.ts'
import type { FileSystem } from '../../core/file-system.ts'
import type { Source } from '../../core/source.ts'
import { describeDifference } from './record-bag.ts'
import { type SourceCheckpoint, SourceRun } from './source-run.ts'
import { VirtualClock } from './virtual-clock.ts'

export interface SourceContractOptions<T> {
  /** A bounded source over the same input every time. */
  create(): Source<T>
  readonly files: FileSystem
  readonly random: Random
  /** From how many positions to replay at most. Default: 50. */
  readonly positions?: number
}

/**
 * Checks what every source promises, with random parallelism, poll sizes and moments; throws with what was broken. Returns the records read
 * without interruption. Where `replay` is `exact`: from every position the rest is read again, nothing lost, nothing twice, also with another parallelism.
 */
export async function checkSourceContract<T>(options: SourceContractOptions<T>): Promise<readonly T[]> {
  const expected = await readAll(options, 1, undefined)
  if (options.create().replay === 'none') return expected
  const most = options.positions ?? 50
  const step = Math.max(1, Math.ceil((expected.length + 1) / most))
  for (let position = 0; position <= expected.length; position += step) {
    await checkReplay(options, expected, position)
  }
  return expected
}

async function checkReplay<T>(
  options: SourceContractOptions<T>,
  expected: readonly T[],
  position: number,
): Promise<void> {
  const { random } = options
  const parallelism = below(random, 3) + 1
  const first = await start(options, parallelism, undefined)
  await first.read(position, below(random, 5) + 1)
  const before = [...first.records]
  const checkpoint = first.snapshot()
  assert(isSame(checkpoint, first.snapshot()), `position ${position}: a snapshot changes nothing`)
  // What is emitted after the snapshot is lost in the crash.
  await first.read(position + below(random, 10), below(random, 5) + 1)
  await first.close()
  const after = await readAll(options, below(random, 3) + 1, checkpoint)
  const difference = describeDifference([...before, ...after], expected)
  assert(difference === null, `position ${position}: after a restore ${difference}`)
}

async function readAll<T>(
  options: SourceContractOptions<T>,
  parallelism: number,
  restored: SourceCheckpoint | undefined,
): Promise<readonly T[]> {
  const run = await start(options, parallelism, restored)
  await run.read(Infinity, below(options.random, 20) + 1)
  await run.close()
  return run.records
}

function start<T>(
  options: SourceContractOptions<T>,
  parallelism: number,
  restored: SourceCheckpoint | undefined,
): Promise<SourceRun<T>> {
  const { files } = options
  const common = { source: options.create(), parallelism, clock: new VirtualClock(), files }
  return SourceRun.start(restored === undefined ? common : { ...common, restored })
}

function isSame(left: SourceCheckpoint, right: SourceCheckpoint): boolean {
  return describeDifference([left.enumerator, ...left.splits], [right.enumerator, ...right.splits]) === null
}

function below(random: Random, end: number): number {
  return Math.floor(random.next() * end)
}
