import { corrupt } from './framed-json.ts'

/**
 * A place in a JSON document read from a file that nobody trusts. Every access says what is expected; what is not is `CHECKPOINT_CORRUPT` with
 * file and path.
 */
export class JsonPlace {
  readonly file: string
  readonly path: string
  readonly value: unknown

  constructor(file: string, path: string, value: unknown) {
    this.file = file
    this.path = path
    this.value = value
  }

  get(name: string): JsonPlace {
    const object = this.#object()
    if (!Object.hasOwn(object, name)) throw this.refuse(`has no ${JSON.stringify(name)}`)
    return new JsonPlace(this.file, this.path === '' ? name : `${this.path}.${name}`, object[name])
  }

  /** The field, or undefined when it is absent. */
  find(name: string): JsonPlace | undefined {
    return Object.hasOwn(this.#object(), name) ? this.get(name) : undefined
  }

  list<T>(read: (item: JsonPlace) => T): readonly T[] {
    if (!Array.isArray(this.value)) throw this.refuse('is not a list')
    return this.value.map((item, index) => read(new JsonPlace(this.file, `${this.path}[${index}]`, item)))
  }

  /** Own fields with whatever names; `__proto__` is a name like any other. */
  record<T>(read: (item: JsonPlace) => T): Readonly<Record<string, T>> {
    return Object.fromEntries(Object.keys(this.#object()).map((name) => [name, read(this.get(name))]))
  }

  nullable<T>(read: (place: JsonPlace) => T): T | null {
    return this.value === null ? null : read(this)
  }

  string(): string {
    if (typeof this.value !== 'string') throw this.refuse('is not a string')
    return this.value
  }

  boolean(): boolean {
    if (typeof this.value !== 'boolean') throw this.refuse('is not a boolean')
    return this.value
  }

  number(): number {
    if (typeof this.value !== 'number' || !Number.isFinite(this.value)) throw this.refuse('is not a number')
    return this.value
  }

  /** A whole number from `low` to `high`. */
  integer(low = 0, high = Number.MAX_SAFE_INTEGER): number {
    const value = this.value
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < low || value > high) {
      throw this.refuse(`is not a whole number from ${low} to ${high}`)
    }
    return value
  }

  crc32c(): number {
    return this.integer(0, 0xffffffff)
  }

  oneOf<T extends string | number>(...allowed: readonly T[]): T {
    const found = allowed.find((value) => value === this.value)
    if (found === undefined) throw this.refuse(`is not one of ${allowed.join(', ')}`)
    return found
  }

  /** A path below the directory that it is relative to: no way out, no second spelling. */
  relativePath(): string {
    const path = this.string()
    const isConfined = path.split('/').every((name) => name !== '' && name !== '.' && name !== '..')
    if (!isConfined || /[\\:\0]/.test(path))
      throw this.refuse(`is not a confined relative path: ${JSON.stringify(path)}`)
    return path
  }

  refuse(what: string): Error {
    return corrupt(this.file, `${this.path === '' ? 'the document' : this.path} ${what}`)
  }

  #object(): Readonly<Record<string, unknown>> {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) {
      throw this.refuse('is not an object')
    }
    return this.value as Readonly<Record<string, unknown>>
  }
}
