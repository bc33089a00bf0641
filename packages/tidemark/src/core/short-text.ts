/** Up to here a string is made by one call that is given its characters: 16 ns for 12 of them, 30 for 24. A call into a buffer costs 50 and more, sums of pieces are made twice. */
export const MAX_SHORT_TEXT = 24

/** The string of `length` characters that `bytes` holds from `at` on, a byte each; undefined where it has to be made in another way. */
type MakeShort = (bytes: Uint8Array, at: number, length: number) => string | undefined

/** Every byte is a character (Latin-1). */
export const shortLatin1: MakeShort = compile((characters) => `return make(${characters.join(', ')})`)

/** Undefined also where a byte is not ASCII. */
export const shortAscii: MakeShort = compile((characters) => {
  const made = `make(${characters.join(', ')})`
  return characters.length === 0 ? `return ${made}` : `return (${characters.join(' | ')}) > 0x7f ? undefined : ${made}`
})

/** A case for each length: only calls with a fixed number of characters are fast. */
function compile(body: (characters: readonly string[]) => string): MakeShort {
  const cases = Array.from({ length: MAX_SHORT_TEXT + 1 }, (_, length) => {
    const characters = Array.from({ length }, (_none, index) => `bytes[at + ${index}]`)
    return `case ${length}: ${body(characters)}`
  })
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- measured: see MAX_SHORT_TEXT
    return new Function(
      'bytes',
      'at',
      'length',
      `const make = String.fromCharCode; switch (length) { ${cases.join('\n')} }`,
    ) as MakeShort
  } catch (error) {
    // A process may forbid code from strings (--disallow-code-generation-from-strings).
    if (!(error instanceof EvalError)) throw error
    return () => undefined
  }
}
