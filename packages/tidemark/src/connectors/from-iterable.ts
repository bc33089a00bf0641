import { TidemarkError } from '../core/errors.ts'
import { SOURCE, type Source } from '../core/source.ts'
import { IterableReader, type Positioning } from './iterable-reader.ts'
import { SingleSplitEnumerator } from './single-split-enumerator.ts'

type AnyIterable<T> = Iterable<T> | AsyncIterable<T>

export interface FromIterableOptions {
  /** Whether the iterable ends by itself. Default: true. */
  readonly isBounded?: boolean
  /** Records of an asynchronous iterable that are fetched ahead. Default: 1024. */
  readonly capacity?: number
}

/**
 * The records of anything that can be iterated, read by one task. The factory is called when the job starts and again after every restart.
 *
 * Without `position`, what was read since the last checkpoint is lost on a restart unless the factory yields it again: at most once. With `position` (of a
 * record: an offset, an id, a timestamp; plain data) it is exactly once: the factory is called with the position of the last record that
 * the checkpoint holds (undefined at first) and must yield exactly the records after it.
 */
export function fromIterable<T>(factory: () => AnyIterable<T>, options?: FromIterableOptions): Source<T>
export function fromIterable<T, P>(
  factory: (position: P | undefined) => AnyIterable<T>,
  options: FromIterableOptions & { readonly position: (record: T) => P },
): Source<T>
export function fromIterable<T, P>(
  factory: (position: P | undefined) => AnyIterable<T>,
  options: FromIterableOptions & { readonly position?: (record: T) => P } = {},
): Source<T> {
  const { position } = options
  const positioning: Positioning<T> | null =
    position === undefined
      ? null
      : {
          after: (record) => position(record),
          describe: (record) => `position ${render(position(record))}`,
        }
  const open = (stored: unknown): AnyIterable<T> => factory(stored as P | undefined)
  return iterableSource('iterable', open, positioning, options)
}

/** The records of an array, read by one task. Replayable: positions are indices, so the array must be the same after a restart. */
export function fromArray<T>(records: readonly T[]): Source<T> {
  const open = function* (stored: unknown): Iterable<T> {
    for (let index = (stored as number | undefined) ?? 0; index < records.length; index++) yield records[index]!
  }
  return iterableSource('array', open, 'count', { isBounded: true })
}

function iterableSource<T>(
  kind: string,
  open: (stored: unknown) => AnyIterable<T>,
  positioning: Positioning<T> | 'count' | null,
  options: FromIterableOptions,
): Source<T> {
  const capacity = options.capacity ?? 1024
  if (!Number.isSafeInteger(capacity) || capacity < 1) {
    throw new TidemarkError('INVALID_OPTION', `capacity is ${capacity}, which is not a positive whole number`)
  }
  return {
    [SOURCE]: {},
    kind,
    isBounded: options.isBounded ?? true,
    replay: positioning === null ? 'none' : 'exact',
    createEnumerator: (context) => new SingleSplitEnumerator(context, { id: kind, hasStarted: false }),
    createReader: (context) => new IterableReader(context, open, positioning, capacity),
  }
}

function render(value: unknown): string {
  return typeof value === 'object' && value !== null ? (JSON.stringify(value) ?? '') : String(value)
}
