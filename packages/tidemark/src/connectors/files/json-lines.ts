import type { Sink } from '../../core/sink.ts'
import { fileSink, type FileSinkOptions } from './file-sink.ts'
import { toJsonLine } from './json-text.ts'

/**
 * Writes every record as one line of JSON, as `JSON.stringify` makes it, into files of a directory; otherwise like `textLines`. What JSON has no
 * form for fails the job with `NOT_ENCODABLE` and the path inside the record: undefined or a function as a record, bigint, cycles.
 */
export function jsonLines<T>(dir: string, options: FileSinkOptions = {}): Sink<T, 'exactly-once'> {
  return fileSink<T>('json-lines', dir, options, '.jsonl', toJsonLine)
}
