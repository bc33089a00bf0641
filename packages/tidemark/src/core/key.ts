/** What a key may be made of. `0` and `-0` are one key, `NaN` is a key, `1` and `1n` differ, unpaired surrogates survive. */
export type KeyPart = string | number | bigint | boolean

/** A key, or a tuple as one. The tuple form makes `[a, b]` infer as a tuple. */
export type Key = KeyPart | readonly [KeyPart, ...KeyPart[]]

/** Reads the key of a record. Must be deterministic: it runs at the sender and at the receiver. */
export type KeySelector = (record: unknown) => Key
