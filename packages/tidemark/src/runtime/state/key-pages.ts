import { ByteBuffer } from '../../core/byte-buffer.ts'

/** A group begins with a page of so many slots; pages grow with it. */
export const LEAST_PAGE_SLOTS = 1 << 4
/** Slots are preserved for snapshots in pages of at most so many: one copy costs about a microsecond per column. */
export const MOST_PAGE_SLOTS = 1 << 10
/** A group with fewer dead slots is never packed. */
const LEAST_DEAD_SLOTS = 256

/** The pages of one key group, in the order in which they came. Packed, the group gets another list: snapshots keep this one. */
export class PageGroup {
  readonly keyGroup: number
  readonly pages: KeyPage[] = []
  /** Slots given out, dead ones included. */
  count = 0
  /** Slots whose key has state. */
  live = 0

  constructor(keyGroup: number) {
    this.keyGroup = keyGroup
  }

  get pageWithRoom(): KeyPage | null {
    const last = this.pages.at(-1)
    return last === undefined || last.count === last.slots ? null : last
  }

  /** As many as there are already, so that small groups stay small. */
  get nextPageSlots(): number {
    return Math.min(MOST_PAGE_SLOTS, Math.max(LEAST_PAGE_SLOTS, this.count))
  }

  /** Whether so many slots are dead that packing pays. */
  get isSparse(): boolean {
    return this.count - this.live > Math.max(LEAST_DEAD_SLOTS, this.live)
  }
}

/** Consecutive slots of one key group. */
export class KeyPage {
  readonly group: PageGroup
  /** Its place among the group's pages. */
  readonly ordinal: number
  readonly first: number
  /** A power of two, of which `first` is a multiple. */
  readonly slots: number
  /** Slots given out. */
  count = 0
  /** The keys of those slots, dead ones included; only ever appended to. */
  readonly keys = new ByteBuffer(64)
  /** The snapshot that was the newest when the page came into being: that one and those before it do not hold the page. */
  readonly bornAt: number
  /** The snapshot that was the newest when the page was last preserved, or born. */
  preservedAt: number

  constructor(group: PageGroup, first: number, slots: number, newestSnapshot: number) {
    this.group = group
    this.ordinal = group.pages.length
    this.first = first
    this.slots = slots
    this.bornAt = newestSnapshot
    this.preservedAt = newestSnapshot
  }
}
