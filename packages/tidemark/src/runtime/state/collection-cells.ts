import type { MapKey } from '../../core/map-key.ts'

/**
 * The list of one key. `items` is only ever appended to, so a cell is fixed by its length: where a snapshot may hold the cell, appending makes a new cell over the
 * same items. `since`: the newest snapshot when the cell was made; that one and those before it do not hold it.
 */
export class ListCell {
  readonly items: unknown[]
  length: number
  since: number

  constructor(items: unknown[], since: number) {
    this.items = items
    this.length = items.length
    this.since = since
  }
}

/** The map of one key; copied before it is changed where a snapshot or an iteration may hold it. */
export class MapCell {
  readonly entries: Map<MapKey, unknown>
  since: number

  constructor(entries: Map<MapKey, unknown>, since: number) {
    this.entries = entries
    this.since = since
  }
}
