import type { Source } from '../../core/source.ts'
import { fileSource, type LinesOptions } from './file-source.ts'

/**
 * Every line of the text files that the pattern (or one of several) matches, without its line break (`\n` or `\r\n`). Bounded: files are found, and their sizes fixed, when the job
 * starts afresh. Replayable: positions are bytes in files; a file that was replaced, cut or changed in between is an error.
 *
 * `lines('books/*.txt')`, `lines('logs/**' + '/*.log')`, `lines(['a.txt', 'b.txt'])`, `lines('a-directory')`.
 */
export function lines(glob: string | readonly string[], options: LinesOptions = {}): Source<string> {
  return fileSource<string>('lines', glob, options, null)
}
