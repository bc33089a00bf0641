import { TidemarkError } from '../../core/errors.ts'
import { SOURCE, type Source } from '../../core/source.ts'
import { FileEnumerator } from './file-enumerator.ts'
import { FileReader, type FileReaderOptions, type LineFormat } from './file-reader.ts'
import type { TextEncoding } from './line-cursor.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** Options of every source that reads files line by line. */
export interface LinesOptions {
  /** Bytes after which a file is split, so that several tasks read it. Default: about four splits per task, at most 64 MiB. */
  readonly splitSize?: number
  /** A line with more characters fails the job. Default: 16 MiB. */
  readonly maxLineLength?: number
  /** Default: `utf-8`. */
  readonly encoding?: TextEncoding
  /** What is done with bytes that are not valid UTF-8: replaced by U+FFFD (default), or the job fails. */
  readonly invalidBytes?: 'replace' | 'fail'
  /** Default: false, every line is a record. */
  readonly skipEmptyLines?: boolean
  /** Bytes read at once. Two such chunks per task are in memory. Default: 512 KiB. */
  readonly chunkSize?: number
}

/** A source over the lines of all files that a pattern matches. */
export function fileSource<T>(
  kind: string,
  glob: string | readonly string[],
  options: LinesOptions,
  format: LineFormat<T>,
): Source<T> {
  const patterns = typeof glob === 'string' ? [glob] : [...glob]
  const splitSize = options.splitSize === undefined ? null : positive('splitSize', options.splitSize)
  const readerOptions: FileReaderOptions = {
    chunkSize: positive('chunkSize', options.chunkSize ?? 512 * KIB),
    maxLineLength: positive('maxLineLength', options.maxLineLength ?? 16 * MIB),
    encoding: options.encoding ?? 'utf-8',
    isInvalidRefused: options.invalidBytes === 'fail',
    skipEmptyLines: options.skipEmptyLines ?? false,
  }
  return {
    [SOURCE]: {},
    kind,
    isBounded: true,
    replay: 'exact',
    describe: { files: patterns.join(', '), ...(splitSize === null ? {} : { splitSize }) },
    createEnumerator: (context) => new FileEnumerator(context, patterns, splitSize),
    createReader: (context) => new FileReader<T>(context, format, readerOptions),
  }
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new TidemarkError('INVALID_OPTION', `${name} is ${value}, which is not a positive whole number`, {
    action: `Give ${name} as a number of at least 1.`,
  })
}
