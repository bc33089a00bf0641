import type { MemoryFileSystem } from './memory-file-system.ts'
import type { SeededRandom } from './seeded-random.ts'

/**
 * One flipped bit in a file of the checkpoint that a job would go on from, while no process of it lives. A start must find it before it changes anything; then the file comes back from a copy.
 */
export class BitRot {
  readonly file: string
  private readonly disk: MemoryFileSystem
  private readonly directory: string
  private readonly content: Uint8Array
  private readonly record: string | null

  private constructor(disk: MemoryFileSystem, directory: string, file: string, content: Uint8Array) {
    this.disk = disk
    this.directory = directory
    this.file = file
    this.content = content
    this.record = disk.text(`${directory}/job.json`)
  }

  /** null where no checkpoint is there that is beyond doubt. */
  static strike(disk: MemoryFileSystem, directory: string, random: SeededRandom): BitRot | null {
    const manifest = newestManifest(disk, directory)
    if (manifest === null || !disk.isDurable(manifest)) return null
    const named = [...disk.text(manifest)!.matchAll(/"path":"([^"]+)"/g)].map(([, path]) => `${directory}/${path!}`)
    const file = random.pick([manifest, ...new Set(named)])
    const content = disk.get(file)
    if (content === null || !disk.isDurable(file)) return null
    const at = random.integer(0, content.length - 1)
    const rot = new BitRot(disk, directory, file, content)
    disk.put(
      file,
      content.map((byte, index) => (index === at ? byte ^ (1 << random.integer(0, 7)) : byte)),
    )
    return rot
  }

  /** A process has come to its end: what it changed that it must not have; null when nothing. */
  get damageDone(): string | null {
    return this.disk.text(`${this.directory}/job.json`) === this.record
      ? null
      : `a start from a damaged checkpoint (${this.file}) changed the record of the job`
  }

  heal(): void {
    this.disk.put(this.file, this.content)
  }
}

/** Of the run on record, while it has not ended. */
function newestManifest(disk: MemoryFileSystem, directory: string): string | null {
  const record = disk.text(`${directory}/job.json`) ?? ''
  const run = /"run":"([^"]+)"/.exec(record)?.[1]
  if (run === undefined || /"status":"(finishing|finished|canceled)"/.test(record)) return null
  const numbers = disk
    .paths(`${directory}/run-${run}`)
    .flatMap((path) => /\/chk-(\d+)\/manifest$/.exec(path)?.[1] ?? [])
    .map(Number)
  return numbers.length === 0 ? null : `${directory}/run-${run}/chk-${Math.max(...numbers)}/manifest`
}
