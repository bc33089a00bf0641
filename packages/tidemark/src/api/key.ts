import type { Key, KeyPart } from '../core/key.ts'
import type { Problem, ProblemTexts } from './problem.ts'

/** What a selector may return before it is checked. Mentions tuples, so that `[a, b]` infers as one. */
export type Selected = KeyPart | readonly [unknown, ...unknown[]] | object | null | undefined

/**
 * The name of a property whose values are keys, otherwise the problem with it. A name that is no property at all leaves `P` at all names:
 * then the good ones are offered.
 */
export type KeyProperty<T, P extends keyof T & string> = [keyof T & string] extends [P]
  ? { [Name in keyof T & string]: T[Name] extends Key ? Name : never }[keyof T & string] extends infer Names
    ? [Names] extends [never]
      ? KeyProblem<T[P]>
      : Names
    : never
  : T[P] extends Key
    ? P
    : KeyProblem<T[P]>

/** A key that a selector returns, otherwise the problem with it. */
export type SelectedKey<K> = [K] extends [Key] ? K : KeyProblem<K>

type KeyProblem<K> = [Extract<K, null | undefined | void>] extends [never]
  ? Problem<ProblemTexts['keyIsNoKey']>
  : Problem<ProblemTexts['keyMayBeUndefined']>

/** The type of the key: what the selector returns (`K`), or the type of the property `P` where there is no selector. */
export type KeyOf<T, P, K> = [K] extends [never] ? (P extends keyof T ? Extract<T[P], Key> : never) : AsKey<K>
type AsKey<K> = K extends readonly [infer Head extends KeyPart, ...infer Rest extends KeyPart[]]
  ? readonly [Head, ...Rest]
  : Extract<K, Key>

/** Literals count as their primitive where two keys are compared: `'a' | 'b'` is keyed like `string`. Branded primitives stay apart. */
export type WidenKey<K> = K extends readonly [infer Head, ...infer Rest]
  ? readonly [Widen<Head>, ...WidenRest<Rest>]
  : Widen<K>
type WidenRest<Rest> = Rest extends readonly [infer Head, ...infer Tail] ? [Widen<Head>, ...WidenRest<Tail>] : []

/** The primitive type of a literal; branded primitives stay as they are. */
export type Widen<T> = T extends object
  ? T
  : T extends string
    ? string
    : T extends number
      ? number
      : T extends bigint
        ? bigint
        : T extends boolean
          ? boolean
          : T
