import type { StandardSchema } from '../core/standard-schema.ts'

/** Marks declared outputs, also those of another copy of the package. */
export const OUTPUT = Symbol.for('tidemark.output')

/** A declared output of a process: a stream of records of type `T`. */
export interface Output<T> {
  readonly [OUTPUT]: { readonly record?: T }
}

/** An output is declared by `output<T>()`, or by a schema, of which the type is taken; records are not validated. */
type OutputDeclaration = Output<unknown> | StandardSchema<unknown>

/** Declared outputs by name. */
export type OutputDeclarations = Readonly<Record<string, OutputDeclaration>>

/** Declares an output of a process: `outputs: { alerts: output<Alert>() }`. */
export function output<T>(): Output<T> {
  return { [OUTPUT]: {} }
}

/** The records of a declared output. */
export type RecordOf<O> = O extends Output<infer T> ? T : O extends StandardSchema<infer T> ? T : never

/** One function per declared output. Valid only while the callback runs. */
export type Emitters<O> = { readonly [Name in keyof O]: (record: RecordOf<O[Name]>) => void }
