/** Version of the layout of frames: between threads of one process only, so it may change with any release. See docs/design/007-channels-and-codecs.md. */
export const FRAME_VERSION = 1

/** First byte of a frame; the second is its version. */
export const FRAME = {
  records: 1,
  barrier: 2,
  cancelCheckpoint: 3,
  watermark: 4,
  status: 5,
  endOfData: 6,
  endOfPartition: 7,
} as const

/** Of a frame of records: what it holds beside them. */
export const FLAG = { timestamps: 1, keyHashes: 2 } as const

/** First word of a column. The number of rows is known from what holds the column. */
export const COLUMN = {
  /** One value/1 that stands for all rows; primitives only. */
  constant: 1,
  /** A double, the base; per row an unsigned offset of 1, 2 or 4 bytes. `integers32`: all values are 32-bit integers. */
  integers8: 2,
  integers16: 3,
  integers32: 4,
  float64: 5,
  /** A byte per row. */
  booleans: 6,
  /** A byte per row with the length; then each text of one byte per character, filled up with zeros to a multiple of four. */
  shortStrings: 7,
  /** A word per row: length × 2 + (1 if two bytes per character); then the texts, without gaps. */
  strings: 8,
  /** The names as JSON text, then a column for each. */
  objects: 9,
  /** The number of items, then a column for each. */
  tuples: 10,
  /** The number of variants; a byte per row with the row's variant; then a column for each variant. */
  variants: 11,
  /** Value/1 for each row. */
  general: 12,
  /** As `integers32`, values beyond. */
  wideIntegers32: 13,
  /** Arrays of any lengths: a column of their lengths, then, unless all are empty, one of all their items. */
  lists: 14,
} as const

/** Objects and tuples that are nested deeper take the general path. */
export const MAX_COLUMN_DEPTH = 8
/** As the decoder counts: a column of several variants lies between any two levels, and is one too. */
export const MAX_DECODED_DEPTH = 2 * MAX_COLUMN_DEPTH + 1
/** Arrays of one length up to this are columns of items; longer ones, and those of several lengths, are lists. */
export const MAX_TUPLE_ITEMS = 16
/** As JavaScript has it. */
export const MAX_LIST_ITEMS = 0xffff_ffff
/** Objects with more properties take the general path. */
export const MAX_FIELDS = 256
/** Rows for which a frame may hold no byte at all, summed over its columns: what a damaged frame can make a decoder allocate. */
export const MAX_ROWS_WITHOUT_BYTES = 1 << 20
