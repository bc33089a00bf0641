/** Marks resources and secrets, also those of another copy of the package. */
export const RESOURCE = Symbol.for('tidemark.resource')
export const SECRET = Symbol.for('tidemark.secret')

/** A reference to a secret: resolved in `open`, never part of params, plan, hash, checkpoints or logs. */
export interface Secret {
  readonly [SECRET]: true
  readonly secret: string
}

export interface OpenContext {
  /** The secret's value; `SECRET_MISSING` when it is not set. */
  readonly secret: (name: string) => string
  /** Aborted when the attempt ends. */
  readonly signal: AbortSignal
  readonly subtask: number
}

/** A client, a pool: opened and closed by the engine, per worker unless said otherwise, replaceable in tests. */
export interface Resource<R> {
  readonly [RESOURCE]: { readonly value?: R }
  readonly name: string
  readonly per: 'worker' | 'task'
  open(context: OpenContext): R | Promise<R>
  close?(value: R): void | Promise<void>
}
