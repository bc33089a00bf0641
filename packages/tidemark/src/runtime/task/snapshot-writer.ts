import { ByteBuffer } from '../../core/byte-buffer.ts'
import { crc32c, crc32cCombine } from '../../core/crc32c.ts'
import { assert } from '../../core/errors.ts'
import type { CheckpointId, OperatorId, TaskId } from '../../core/ids.ts'
import type {
  CheckpointFile,
  KeyedBlock,
  KeyedStateSnapshot,
  ListStateSnapshot,
  OperatorSnapshot,
  PreparedCommittable,
  StateHandle,
} from '../../core/manifest.ts'
import type { StateFileWriter, TaskCheckpointStorage } from '../checkpoint/contract.ts'
import { inlineHandle } from '../checkpoint/inline-handle.ts'
import type { KeyedStateSnapshotting, ListSnapshot } from '../state/contract.ts'
import { writeListSnapshot } from '../state/write-list-snapshot.ts'

/** State of a task up to this size travels in the acknowledgement and lies in the manifest: no file, no fsync (Flink's memory threshold). */
const INLINE_LIMIT = 20_000
const SLICE_BYTES = 64 * 1024
/** With a slice behind it this fits into the mebibyte that a buffer keeps when it is cleared. */
const WRITE_BYTES = 512 * 1024

export interface SnapshotPart {
  readonly operator: OperatorId
  readonly keyed: KeyedStateSnapshotting | null
  readonly lists: readonly ListSnapshot[]
  readonly committables: Promise<readonly PreparedCommittable[]>
}

/**
 * Writes what the operators of a task handed out at a barrier, in slices, while processing goes on. `step` does one slice; when the storage has to be waited for it
 * answers `waiting` and calls `wake` later.
 */
export class SnapshotWriter {
  readonly checkpoint: CheckpointId
  private readonly task: TaskId
  private readonly parts: readonly SnapshotPart[]
  private readonly storage: TaskCheckpointStorage
  private readonly wake: () => void
  private readonly buffer: ByteBuffer
  private readonly sections: Section[] = []
  private file: StateFileWriter | null = null
  private finished: CheckpointFile | null = null
  private inFlight: Promise<void> = Promise.resolve()
  private partIndex = 0
  private section: { blocks: KeyedBlock[]; start: number; crc: number } | null = null
  /** Of what the buffer holds. Every byte is summed once, in its block or list; longer stretches are combined. */
  private bufferCrc = 0
  /** Bytes produced so far; those before `flushed` have left the buffer. */
  private produced = 0
  /** All bytes, where they stay inline. */
  private kept: Uint8Array = new Uint8Array()
  private state: 'writing' | 'waiting' | 'flushed' | 'done' = 'writing'
  private failure: { readonly error: unknown; readonly isCommit: boolean } | null = null
  private committables: readonly (readonly PreparedCommittable[])[] | null = null
  private result: { operators: readonly OperatorSnapshot[]; files: readonly CheckpointFile[]; bytes: number } | null =
    null
  private released: Promise<void> | null = null

  constructor(
    checkpoint: CheckpointId,
    task: TaskId,
    parts: readonly SnapshotPart[],
    storage: TaskCheckpointStorage,
    wake: () => void,
    /** Empty. Who handed it in may use it again after `release` has resolved. */
    buffer: ByteBuffer = new ByteBuffer(),
  ) {
    this.buffer = buffer
    this.checkpoint = checkpoint
    this.task = task
    this.parts = parts
    this.storage = storage
    this.wake = wake
    this.awaitCommittables()
  }

  /** Does one slice. `failed`: see `error`. */
  step(): 'more' | 'waiting' | 'done' | 'failed' {
    if (this.failure !== null) return 'failed'
    if (this.state === 'writing') {
      this.writeSlice()
      if (this.failure === null && this.state === 'writing') return 'more'
    }
    if (this.failure !== null) return 'failed'
    if (this.state === 'flushed' && this.committables !== null) this.finish()
    return this.state === 'done' ? 'done' : 'waiting'
  }

  /** Whether the failure came from a pre-commit, which fails the attempt (elsewise only the checkpoint). */
  get error(): { readonly error: unknown; readonly isCommit: boolean } | null {
    return this.failure
  }

  get snapshot(): { operators: readonly OperatorSnapshot[]; files: readonly CheckpointFile[]; bytes: number } {
    return this.result!
  }

  /**
   * Gives up: frees what it holds and removes what it wrote; does nothing after `done`. Resolves, never rejects, when nothing is under way any more.
   * Idempotent.
   */
  release(): Promise<void> {
    this.released ??= this.giveUp()
    return this.released
  }

  private async giveUp(): Promise<void> {
    for (const part of this.parts) part.keyed?.release()
    if (this.state === 'done') return
    await this.inFlight
    await this.file?.abandon()
    await Promise.allSettled(this.parts.map(({ committables }) => committables))
  }

  private writeSlice(): void {
    const part = this.parts[this.partIndex]
    try {
      if (part === undefined) return this.flush()
      const { keyed } = part
      if (keyed !== null) {
        this.section ??= { blocks: [], start: this.produced, crc: 0 }
        const before = this.buffer.length
        const slice = keyed.writeSlice(this.buffer, SLICE_BYTES)
        let summed = before
        for (const { crc32c: crc, length } of slice.blocks) {
          this.section.crc = crc32cCombine(this.section.crc, crc, length)
          this.bufferCrc = crc32cCombine(this.bufferCrc, crc, length)
          summed += length
        }
        assert(summed === this.buffer.length, 'every byte of keyed state is in a block')
        this.produced += this.buffer.length - before
        this.section.blocks.push(...slice.blocks)
        if (slice.isDone) {
          keyed.release()
          this.sections.push({
            ...this.section,
            part: this.partIndex,
            list: null,
            length: this.produced - this.section.start,
          })
          this.section = null
          this.writeLists(part)
          this.partIndex++
        }
      } else {
        this.writeLists(part)
        this.partIndex++
      }
      if (this.buffer.length >= WRITE_BYTES) this.spill()
    } catch (error) {
      this.fail(error, false)
    }
  }

  private writeLists(part: SnapshotPart): void {
    for (const list of part.lists) {
      const start = this.produced
      const before = this.buffer.length
      writeListSnapshot(list, this.buffer)
      const length = this.buffer.length - before
      const crc = crc32c(this.buffer.view(before))
      this.bufferCrc = crc32cCombine(this.bufferCrc, crc, length)
      this.produced += length
      this.sections.push({
        part: this.partIndex,
        list: { name: list.name, mode: list.mode, items: list.items.length },
        blocks: [],
        start,
        length,
        crc,
      })
    }
  }

  /** Moves what the buffer holds into the file; processing of slices waits meanwhile. */
  private spill(): void {
    this.state = 'waiting'
    this.store('writing', async () => {
      this.file ??= await this.storage.createStateFile(this.checkpoint, this.task)
      await this.writeBuffer(this.file)
    })
  }

  private flush(): void {
    if (this.file === null && this.produced <= INLINE_LIMIT) {
      this.kept = this.buffer.take()
      this.state = 'flushed'
      return
    }
    this.state = 'waiting'
    this.store('flushed', async () => {
      this.file ??= await this.storage.createStateFile(this.checkpoint, this.task)
      await this.writeBuffer(this.file)
      this.finished = await this.file.finish()
    })
  }

  /** Not a copy: nothing goes into the buffer before the storage has taken it. */
  private async writeBuffer(file: StateFileWriter): Promise<void> {
    const { buffer } = this
    if (buffer.length > 0) await file.write(buffer.view(0), this.bufferCrc)
    buffer.clear()
    this.bufferCrc = 0
  }

  /** Waits for the storage; slices pause meanwhile. */
  private store(next: 'writing' | 'flushed', write: () => Promise<void>): void {
    this.inFlight = write().then(
      () => {
        this.state = next
        this.wake()
      },
      (error: unknown) => this.fail(error, false),
    )
  }

  private finish(): void {
    const operators = this.parts.map((part, index): OperatorSnapshot => {
      const sections = this.sections.filter((section) => section.part === index)
      const keyed = sections.find((section) => section.list === null)
      return {
        operator: part.operator,
        keyed: keyed === undefined ? null : this.keyedSnapshot(part, keyed),
        lists: sections.filter((section) => section.list !== null).map((section) => this.listSnapshot(section)),
        committables: this.committables![index]!,
      }
    })
    this.result = { operators, files: this.finished === null ? [] : [this.finished], bytes: this.produced }
    this.state = 'done'
  }

  private keyedSnapshot(part: SnapshotPart, section: Section): KeyedStateSnapshot {
    return { handle: this.handle(section), blocks: section.blocks, states: part.keyed!.states }
  }

  private listSnapshot(section: Section): ListStateSnapshot {
    const { name, mode, items } = section.list!
    return { name, mode, items, codec: 'value/1', handle: this.handle(section) }
  }

  private handle(section: Section): StateHandle {
    const { start, length, crc } = section
    if (this.finished !== null) return { kind: 'file', file: this.finished.path, offset: start, length, crc32c: crc }
    return inlineHandle(this.kept.subarray(start, start + length))
  }

  private awaitCommittables(): void {
    Promise.all(this.parts.map((part) => part.committables)).then(
      (committables) => {
        this.committables = committables
        this.wake()
      },
      (error: unknown) => this.fail(error, true),
    )
  }

  private fail(error: unknown, isCommit: boolean): void {
    this.failure ??= { error, isCommit }
    this.wake()
  }
}

/** A stretch of bytes of the snapshot. */
interface Section {
  readonly part: number
  readonly list: { readonly name: string; readonly mode: ListStateSnapshot['mode']; readonly items: number } | null
  readonly blocks: readonly KeyedBlock[]
  readonly start: number
  readonly length: number
  readonly crc: number
}
