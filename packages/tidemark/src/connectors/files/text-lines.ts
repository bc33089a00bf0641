import type { Sink } from '../../core/sink.ts'
import { fileSink, type FileSinkOptions } from './file-sink.ts'

/**
 * Writes every record as one line of UTF-8 text into files of a directory. Exactly once: files appear, whole and never changed again, when the
 * checkpoint that holds their records is complete. A record that holds line breaks becomes several lines.
 *
 * The directory belongs to one sink of one run: a directory with anything else in it is refused (`OUTPUT_EXISTS`), nothing in it is ever replaced.
 */
export function textLines(dir: string, options: FileSinkOptions = {}): Sink<string, 'exactly-once'> {
  return fileSink<string>('text-lines', dir, options, '.txt', (record) => `${record}\n`)
}
