import { assert, TidemarkError } from '../../core/errors.ts'
import { crc32c, crc32cCombine } from '../../core/crc32c.ts'
import type { FileSystem, FileWriter } from '../../core/file-system.ts'
import type { CheckpointFile } from '../../core/manifest.ts'
import { ignoreFailure, storageFailed } from '../storage/durable-files.ts'
import type { StateFileWriter } from './contract.ts'

/** What a state file is made of. `file` is `path` below the job's checkpoint directory. */
export interface StateFilePlace {
  readonly files: FileSystem
  readonly path: string
  readonly file: string
  readonly directory: string
}

/** One file, written once. After the first failure it takes nothing any more: its content is unknown. */
export class DurableStateFile implements StateFileWriter {
  readonly path: string
  readonly #place: StateFilePlace
  readonly #writer: FileWriter
  #length = 0
  #crc32c = 0
  #phase: 'open' | 'failed' | 'finished' | 'abandoned' = 'open'

  constructor(place: StateFilePlace, writer: FileWriter) {
    this.path = place.path
    this.#place = place
    this.#writer = writer
  }

  async write(bytes: Uint8Array, checksum: number = crc32c(bytes)): Promise<void> {
    await this.#try('Writing', async () => {
      this.#crc32c = crc32cCombine(this.#crc32c, checksum, bytes.length)
      this.#length += bytes.length
      await this.#writer.write(bytes)
    })
  }

  async finish(): Promise<CheckpointFile> {
    await this.#try('Syncing', async () => {
      await this.#writer.sync()
      await this.#writer.close()
      await this.#place.files.syncDirectory(this.#place.directory)
    })
    this.#phase = 'finished'
    return { path: this.path, length: this.#length, crc32c: this.#crc32c, scope: 'exclusive' }
  }

  async abandon(): Promise<void> {
    if (this.#phase === 'abandoned') return
    const isOpen = this.#phase !== 'finished'
    this.#phase = 'abandoned'
    if (isOpen) await ignoreFailure(this.#writer.close())
    await ignoreFailure(this.#place.files.remove(this.#place.file))
  }

  async #try(what: string, work: () => Promise<void>): Promise<void> {
    assert(this.#phase !== 'finished', `${this.path} was finished before`)
    if (this.#phase !== 'open') {
      throw new TidemarkError('STORAGE_FAILED', `${this.#place.file} takes nothing after it was ${this.#phase}`, {
        action: 'Let the checkpoint fail; the next one writes new files.',
        context: { file: this.#place.file },
      })
    }
    try {
      await work()
    } catch (error) {
      if (this.#phase === 'open') this.#phase = 'failed'
      throw storageFailed(`${what} ${this.#place.file}`, this.#place.file, error)
    }
  }
}
