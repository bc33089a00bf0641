import { TidemarkError } from '../../core/errors.ts'
import type { BlockedPolicy, EndOfPartitionPolicy } from '../../runtime/input/contract.ts'

/** One thing that arrives, in the order of arrival. `bytes` is the size of the data alone. `coordinator-abort` comes from outside any channel. */
export type Arrival =
  | { readonly kind: 'data'; readonly channel: number; readonly bytes: number }
  | { readonly kind: 'barrier'; readonly channel: number; readonly id: number }
  | { readonly kind: 'cancel'; readonly channel: number; readonly id: number }
  | { readonly kind: 'end'; readonly channel: number }
  | { readonly kind: 'coordinator-abort'; readonly id: number }

export interface VectorPolicies {
  readonly blocked: BlockedPolicy
  readonly endOfPartition: EndOfPartitionPolicy
}

/** What goes into a barrier handler and what must come out. The format is described in test/golden/README.md. */
export interface BarrierVector {
  readonly name: string
  /** In its file, from 1. */
  readonly line: number
  readonly handler: 'buffer' | 'tracker'
  readonly channels: number
  readonly maxBufferedBytes: number
  readonly policies: VectorPolicies
  readonly input: readonly string[]
  readonly arrivals: readonly Arrival[]
  readonly expected: readonly string[]
  /** Anything but null: the replay must end by throwing. */
  readonly error: string | null
}

const DEFAULT_BYTES = 10
const MIN_BYTES = 4
const MAX_CHANNELS = 10_000
/** What the classes of Flink 1.4 do; assumed where a vector does not say. */
const CLASSIC: Readonly<Record<BarrierVector['handler'], VectorPolicies>> = {
  buffer: { blocked: 'stored', endOfPartition: 'abort' },
  tracker: { blocked: 'in-channel', endOfPartition: 'ignored' },
}
const EXPECTED_LINE = /^(OUT \d+ ch\d+|OUT EOP ch\d+|TRIGGER \d+ buffered=\d+|ABORT \d+ \S+|NOTHING NOW)$/

/** Reads a file of vectors, one JSON object a line; throws a TidemarkError that names file, line and what is wrong. */
export function parseBarrierVectors(text: string, file: string): BarrierVector[] {
  const vectors: BarrierVector[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() !== '') vectors.push(new VectorLine(file, index + 1).parse(line))
  }
  if (vectors.length === 0) throw ill(file, 'holds no vectors')
  return vectors
}

class VectorLine {
  private readonly file: string
  private readonly line: number

  constructor(file: string, line: number) {
    this.file = file
    this.line = line
  }

  parse(text: string): BarrierVector {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (error) {
      throw ill(`${this.file}:${this.line}`, 'is not JSON', error)
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.refuse('is not a JSON object')
    const fields = value as Readonly<Record<string, unknown>>
    const handler = this.handler(fields['handler'])
    const channels = this.channels(fields['channels'])
    const input = this.strings(fields['input'], 'input')
    const expected = this.strings(fields['expected'], 'expected')
    for (const entry of expected) {
      if (!EXPECTED_LINE.test(entry)) this.refuse(`has an expected line that is not understood: ${quote(entry)}`)
    }
    return {
      name: this.name(fields['name']),
      line: this.line,
      handler,
      channels,
      maxBufferedBytes: this.maxBufferedBytes(fields['maxBufferedBytes']),
      policies: this.policies(fields['policies'], handler),
      input,
      arrivals: input.map((entry) => this.arrival(entry, channels)),
      expected,
      error: this.error(fields['error']),
    }
  }

  private name(value: unknown): string {
    if (typeof value !== 'string' || value === '') this.refuse(`needs a name, not ${quote(value)}`)
    return value
  }

  private handler(value: unknown): BarrierVector['handler'] {
    if (value !== 'buffer' && value !== 'tracker') {
      this.refuse(`has handler ${quote(value)}; it must be "buffer" or "tracker"`)
    }
    return value
  }

  private channels(value: unknown): number {
    if (!isInteger(value) || value < 1 || value > MAX_CHANNELS) {
      this.refuse(`has channels ${quote(value)}; it must be an integer from 1 to ${MAX_CHANNELS}`)
    }
    return value
  }

  private maxBufferedBytes(value: unknown): number {
    if (value === undefined || value === null) return -1
    if (!isInteger(value) || (value !== -1 && value < 1)) {
      this.refuse(`has maxBufferedBytes ${quote(value)}; it must be -1 (unlimited) or a positive integer`)
    }
    return value
  }

  private error(value: unknown): string | null {
    if (value === undefined || value === null) return null
    if (typeof value !== 'string') this.refuse(`has error ${quote(value)}; it must be null or a string`)
    return value
  }

  private strings(value: unknown, field: string): readonly string[] {
    if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string')) {
      this.refuse(`needs ${field}: an array of strings`)
    }
    return value
  }

  private policies(value: unknown, handler: BarrierVector['handler']): VectorPolicies {
    if (value === undefined) return CLASSIC[handler]
    if (typeof value !== 'object' || value === null) this.refuse(`has policies ${quote(value)}; it must be an object`)
    const { blocked = CLASSIC[handler].blocked, endOfPartition } = value as Readonly<Record<string, unknown>>
    if (blocked !== 'in-channel' && blocked !== 'stored') {
      this.refuse(`has policy blocked ${quote(blocked)}; it must be "in-channel" or "stored"`)
    }
    if (endOfPartition !== 'aligned' && endOfPartition !== 'abort' && endOfPartition !== 'ignored') {
      this.refuse(`has policy endOfPartition ${quote(endOfPartition)}; it must be "aligned", "abort" or "ignored"`)
    }
    if (handler === 'buffer' && endOfPartition === 'ignored') {
      this.refuse('has policy endOfPartition "ignored", which a handler that blocks cannot have')
    }
    return { blocked, endOfPartition }
  }

  private arrival(entry: string, channels: number): Arrival {
    const data = /^b(\d+)(?::(\d+))?$/.exec(entry)
    if (data !== null) {
      const bytes = data[2] === undefined ? DEFAULT_BYTES : Math.max(MIN_BYTES, this.number(data[2], entry))
      return { kind: 'data', channel: this.channel(data[1]!, channels, entry), bytes }
    }
    const event = /^([BC])(\d+)@(\d+)$/.exec(entry)
    if (event !== null) {
      const kind = event[1] === 'B' ? 'barrier' : 'cancel'
      return { kind, id: this.number(event[2]!, entry), channel: this.channel(event[3]!, channels, entry) }
    }
    const end = /^E(\d+)$/.exec(entry)
    if (end !== null) return { kind: 'end', channel: this.channel(end[1]!, channels, entry) }
    const abort = /^A(\d+)$/.exec(entry)
    if (abort !== null) return { kind: 'coordinator-abort', id: this.number(abort[1]!, entry) }
    return this.refuse(`has an input that is not understood: ${quote(entry)}`)
  }

  private channel(digits: string, channels: number, entry: string): number {
    const channel = this.number(digits, entry)
    if (channel >= channels)
      this.refuse(`has ${channels} channels, but an input for channel ${channel}: ${quote(entry)}`)
    return channel
  }

  private number(digits: string, entry: string): number {
    const value = Number(digits)
    if (!Number.isSafeInteger(value)) this.refuse(`has a number that is too large: ${quote(entry)}`)
    return value
  }

  private refuse(problem: string): never {
    throw ill(`${this.file}:${this.line}`, problem)
  }
}

function ill(where: string, problem: string, cause?: unknown): TidemarkError {
  return new TidemarkError('CORRUPT_DATA', `${where} ${problem}.`, {
    action: 'Give a file of barrier vectors; test/golden/README.md describes the format.',
    ...(cause === undefined ? {} : { cause }),
  })
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

function quote(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value)
}
