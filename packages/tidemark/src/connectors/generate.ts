import { TidemarkError } from '../core/errors.ts'
import { SOURCE, type Source } from '../core/source.ts'
import { GeneratorEnumerator } from './generator-enumerator.ts'
import { GeneratorReader } from './generator-reader.ts'

export interface GenerateOptions<T> {
  /** Makes record number `index` (from 0). Must make the same record for the same index: that is how it is replayed. */
  readonly create: (index: number) => T
  /** How many records. Default: without end. */
  readonly count?: number
  /** Records per second, over all tasks. Default: as fast as they are taken. */
  readonly rate?: number
  /** Into how many parts the indices are dealt out: the most tasks that can generate. Default: the job's parallelism at its fresh start. */
  readonly splits?: number
}

/** Records made by a function of their index, without an outside system. Replayable. */
export function generate<T>(options: GenerateOptions<T>): Source<T> {
  const { create, count = Infinity, rate = Infinity, splits = null } = options
  if (!(count >= 0) || (count !== Infinity && !Number.isSafeInteger(count))) throw invalid('count', count)
  if (!(rate > 0)) throw invalid('rate', rate)
  if (splits !== null && (!Number.isSafeInteger(splits) || splits < 1)) throw invalid('splits', splits)
  return {
    [SOURCE]: {},
    kind: 'generator',
    isBounded: count !== Infinity,
    replay: 'exact',
    describe: { ...(count === Infinity ? {} : { count }), ...(rate === Infinity ? {} : { rate }) },
    createEnumerator: (context) => new GeneratorEnumerator(context, splits),
    createReader: (context) => new GeneratorReader(context, create, count, rate),
  }
}

function invalid(name: string, value: number): TidemarkError {
  return new TidemarkError('INVALID_OPTION', `${name} of generate() is ${value}`, {
    action: `Give a positive${name === 'rate' ? '' : ' whole'} number, or leave ${name} out.`,
  })
}
