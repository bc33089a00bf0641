import { TidemarkError } from '../../core/errors.ts'
import { SINK, type Sink } from '../../core/sink.ts'
import { FileCommitter } from './file-committer.ts'
import { FileSinkWriter } from './file-writer.ts'
import { outputDirectory } from './output-directory.ts'

const MIB = 1024 * 1024

/** Options of every sink that writes files. */
export interface FileSinkOptions {
  /** The end of every file's name. Default: `.txt` or `.jsonl`. */
  readonly extension?: string
  /** Bytes after which another file is begun within one checkpoint. Default: 128 MiB. */
  readonly rollSize?: number
  /** Bytes per task that may wait to be written before the job is slowed down. Default: 4 MiB. */
  readonly bufferSize?: number
}

/** A sink that writes one rendered text per record into files of a directory, in two phases. */
export function fileSink<T>(
  kind: string,
  dir: string,
  options: FileSinkOptions,
  extension: string,
  render: (record: T) => string,
): Sink<T, 'exactly-once'> {
  if (dir === '') {
    throw new TidemarkError('INVALID_OPTION', `${kind}: the output directory is empty`, {
      action: `Give a directory: 'out'.`,
    })
  }
  const writerOptions = {
    extension: checkedExtension(options.extension ?? extension),
    rollSize: positive('rollSize', options.rollSize ?? 128 * MIB),
    bufferSize: positive('bufferSize', options.bufferSize ?? 4 * MIB),
  }
  const directory = outputDirectory(dir)
  return {
    [SINK]: {},
    kind,
    delivery: 'exactly-once',
    describe: { dir },
    createWriter: (context) => new FileSinkWriter<T>(context, directory, render, writerOptions),
    createCommitter: (context) => new FileCommitter(context, directory),
  }
}

function checkedExtension(extension: string): string {
  if (/^\.[\w.-]+$/u.test(extension)) return extension
  throw new TidemarkError('INVALID_OPTION', `extension is ${JSON.stringify(extension)}`, {
    action: `Give a dot and letters: '.jsonl'.`,
  })
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new TidemarkError('INVALID_OPTION', `${name} is ${value}, which is not a positive whole number of bytes`, {
    action: `Give ${name} as a number of at least 1.`,
  })
}
