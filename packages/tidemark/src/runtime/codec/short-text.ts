import type { FrameBuffer } from './frame-buffer.ts'

/** Up to here a string is made by one call that is given its characters: 16 ns for 12 of them, 30 for 24. A call into the buffer costs 50, sums of pieces are made twice. */
const MAX_LENGTH = 24

type MakeText = (bytes: FrameBuffer['bytes'], at: number, length: number) => string

const makeShort = compile()

/** A new string of one-byte characters. */
export function makeText({ bytes }: FrameBuffer, at: number, length: number): string {
  return length <= MAX_LENGTH ? makeShort(bytes, at, length) : makeLong(bytes, at, length)
}

function makeLong(bytes: FrameBuffer['bytes'], at: number, length: number): string {
  return bytes.toString('latin1', at, at + length)
}

/** A case for each length: only calls with a fixed number of characters are fast. */
function compile(): MakeText {
  const cases = Array.from({ length: MAX_LENGTH + 1 }, (_, length) => {
    const characters = Array.from({ length }, (_none, index) => `bytes[at + ${index}]`)
    return `case ${length}: return make(${characters.join(', ')})`
  })
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- measured: see MAX_LENGTH
    return new Function(
      'bytes',
      'at',
      'length',
      `const make = String.fromCharCode; switch (length) { ${cases.join('\n')} }`,
    ) as MakeText
  } catch (error) {
    // As in record-shape.ts: a process may forbid code from strings.
    if (!(error instanceof EvalError)) throw error
    return makeLong
  }
}
