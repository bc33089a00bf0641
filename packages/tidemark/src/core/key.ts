/** What a key may be made of. `0` and `-0` are one key, `NaN` is a key, `1` and `1n` differ, unpaired surrogates survive. */
export type KeyPart = string | number | bigint | boolean

/** A key, or a tuple as one. The tuple form makes `[a, b]` infer as a tuple. */
export type Key = KeyPart | readonly [KeyPart, ...KeyPart[]]
