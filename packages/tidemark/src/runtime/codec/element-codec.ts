import type { BarrierOptions, RecordBatch, StreamElement, StreamEvent } from '../../core/element.ts'
import { assertEncodable, deepFreeze } from '../../core/encodable.ts'
import { isTidemarkError, TidemarkError, unreachable } from '../../core/errors.ts'
import { checkpointId } from '../../core/ids.ts'
import { ColumnDecoder } from './column-decoder.ts'
import { ColumnEncoder } from './column-encoder.ts'
import { corrupt, type FrameBuffer, FrameReader } from './frame-buffer.ts'
import { FLAG, FRAME, FRAME_VERSION } from './frame-layout.ts'

const PURPOSES = ['checkpoint', 'savepoint'] as const
const ALIGNMENTS = ['aligned', 'unaligned', 'aligned-with-timeout'] as const

/** What an element counts for the capacity of a channel. */
export function recordsOf(element: StreamElement): number {
  return element.kind === 'records' ? element.values.length : 1
}

/** `recordsOf` of the element that a frame holds, without decoding it. */
export function recordsOfFrame({ words, end }: FrameBuffer): number {
  return (words[0]! & 0xff) === FRAME.records && end >= 8 ? words[1]! : 1
}

/** Writes elements as frames. One per thread is enough; what it returns is valid until the next call. */
export class ElementEncoder {
  private readonly columns = new ColumnEncoder()

  /** `operator` sends the element: errors name it. Origins are left behind. `NOT_ENCODABLE`. */
  encode(element: StreamElement, operator: string): FrameBuffer {
    const { columns } = this
    columns.reset()
    if (element.kind === 'records') this.records(element, operator)
    else encodeEvent(element, columns.frame)
    return columns.frame
  }

  private records({ values, timestamps, keyHashes }: RecordBatch, operator: string): void {
    const { columns } = this
    const { frame } = columns
    head(frame, FRAME.records, (timestamps === null ? 0 : FLAG.timestamps) | (keyHashes === null ? 0 : FLAG.keyHashes))
    frame.word(values.length)
    if (values.length === 0) return
    if (keyHashes !== null) frame.list(keyHashes)
    if (timestamps !== null) columns.column(timestamps)
    try {
      columns.column(values)
    } catch (error) {
      if (!isTidemarkError(error) || error.code !== 'NOT_ENCODABLE') throw error
      throw refused(values, operator, error)
    }
  }
}

export interface ElementDecoderOptions {
  /** Freeze the records, as those that stay in their thread are when they are emitted. */
  readonly isDevelopment?: boolean
}

/** Reads frames of `ElementEncoder`. One per thread. */
export class ElementDecoder {
  private readonly columns = new ColumnDecoder()
  private readonly isDevelopment: boolean

  constructor({ isDevelopment = false }: ElementDecoderOptions = {}) {
    this.isDevelopment = isDevelopment
  }

  /** `CORRUPT_DATA` when the frame is none. What comes back does not refer to the frame's memory. */
  decode(frame: FrameBuffer): StreamElement {
    const reader = new FrameReader(frame)
    const first = reader.word()
    if (((first >> 8) & 0xff) !== FRAME_VERSION) throw corrupt(`its version is ${(first >> 8) & 0xff}`)
    const element =
      (first & 0xff) === FRAME.records
        ? this.records(reader, first >> 16)
        : decodeEvent(first & 0xff, first >> 16, reader)
    if (reader.at !== frame.end) throw corrupt('it is longer than what it holds')
    return element
  }

  private records(reader: FrameReader, flags: number): RecordBatch {
    const { columns } = this
    columns.reset()
    const rows = reader.word()
    if (rows < 0) throw corrupt('it has a negative number of records')
    const keyHashes = (flags & FLAG.keyHashes) === 0 ? null : reader.list(rows)
    const timestamps = (flags & FLAG.timestamps) === 0 ? null : rows === 0 ? [] : numbers(columns.column(reader, rows))
    const values = rows === 0 ? [] : columns.column(reader, rows)
    if (this.isDevelopment) for (const value of values) deepFreeze(value)
    return { kind: 'records', values, timestamps, origins: null, origin: null, keyHashes }
  }
}

function numbers(values: readonly unknown[]): readonly number[] {
  for (const value of values) if (typeof value !== 'number') throw corrupt('a timestamp is no number')
  return values as readonly number[]
}

/** The error for the record that is refused, with the path from the record on. */
function refused(values: readonly unknown[], operator: string, original: TidemarkError): TidemarkError {
  for (const value of values) {
    try {
      assertEncodable(value, `A record of ${operator}`)
    } catch (error) {
      if (isTidemarkError(error)) return withOperator(error, operator)
    }
  }
  return withOperator(original, operator)
}

function withOperator(error: TidemarkError, operator: string): TidemarkError {
  const context = { ...error.context, operator }
  return new TidemarkError(error.code, error.message, {
    context,
    ...(error.action === undefined ? {} : { action: error.action }),
  })
}

function head(frame: FrameBuffer, kind: number, flags: number): void {
  frame.word(kind | (FRAME_VERSION << 8) | (flags << 16))
}

function encodeEvent(event: StreamEvent, frame: FrameBuffer): void {
  switch (event.kind) {
    case 'barrier':
      head(frame, FRAME.barrier, optionFlags(event.options))
      frame.double(event.checkpoint)
      return frame.double(event.timestamp)
    case 'cancel-checkpoint':
      head(frame, FRAME.cancelCheckpoint, 0)
      return frame.double(event.checkpoint)
    case 'watermark':
      head(frame, FRAME.watermark, 0)
      return frame.double(event.timestamp)
    case 'status':
      return head(frame, FRAME.status, event.idle ? 1 : 0)
    case 'end-of-data':
      return head(frame, FRAME.endOfData, event.drain ? 1 : 0)
    case 'end-of-partition':
      return head(frame, FRAME.endOfPartition, 0)
    default:
      unreachable(event)
  }
}

function decodeEvent(kind: number, flags: number, reader: FrameReader): StreamEvent {
  switch (kind) {
    case FRAME.barrier:
      return {
        kind: 'barrier',
        checkpoint: checkpointId(reader.double()),
        timestamp: reader.double(),
        options: barrierOptions(flags),
      }
    case FRAME.cancelCheckpoint:
      return { kind: 'cancel-checkpoint', checkpoint: checkpointId(reader.double()) }
    case FRAME.watermark:
      return { kind: 'watermark', timestamp: reader.double() }
    case FRAME.status:
      return { kind: 'status', idle: flags === 1 }
    case FRAME.endOfData:
      return { kind: 'end-of-data', drain: flags === 1 }
    case FRAME.endOfPartition:
      return { kind: 'end-of-partition' }
    default:
      throw corrupt(`there is no element of kind ${kind}`)
  }
}

function optionFlags({ purpose, alignment }: BarrierOptions): number {
  return PURPOSES.indexOf(purpose) | (ALIGNMENTS.indexOf(alignment) << 1)
}

function barrierOptions(flags: number): BarrierOptions {
  const alignment = ALIGNMENTS[flags >> 1]
  if (alignment === undefined) throw corrupt('its barrier has no alignment')
  return { purpose: PURPOSES[flags & 1]!, alignment }
}
