import { symbolAsName } from '../../core/value-layout.ts'

/** Uses after which a shape is worth being compiled: about 50 µs. */
const COMPILE_AFTER = 4
/** Shapes that are remembered; the one used least recently goes. */
const MAX_SHAPES = 64

type Gather = (values: readonly unknown[], names: readonly string[], columns: readonly unknown[][]) => number
type Make = (rows: number, columns: readonly (readonly unknown[])[]) => unknown[]

/**
 * Plain objects with these own properties, in this order. Takes batches of them apart into columns and puts them together again, by
 * functions compiled for the shape: objects made by a literal cost a ninth of objects made property by property (5 and 45 ns for four fields).
 */
export class RecordShape {
  readonly names: readonly string[]
  /** How frames name the shape. */
  readonly text: string
  private uses = 0
  private gatherNow: Gather = gatherByName
  private makeNow: Make

  constructor(names: readonly string[], text: string = JSON.stringify(names)) {
    this.names = names
    this.text = text
    this.makeNow = (rows, columns) => makeByName(rows, names, columns)
  }

  /** Distributes the properties of the values to the columns, up to the first value of another shape; returns how many rows fitted. */
  gather(values: readonly unknown[], columns: readonly unknown[][]): number {
    this.count()
    return this.gatherNow(values, this.names, columns)
  }

  /** The objects whose properties the columns hold. */
  make(rows: number, columns: readonly (readonly unknown[])[]): unknown[] {
    this.count()
    return this.makeNow(rows, columns)
  }

  /** Whether a plain object has these names, in this order. Properties named by symbols are found by `gather`. */
  fits(value: object): boolean {
    let index = 0
    for (const name in value) {
      if (name !== this.names[index]) return false
      index++
    }
    return index === this.names.length
  }

  private count(): void {
    if (++this.uses !== COMPILE_AFTER) return
    try {
      this.gatherNow = compileGather(this.names)
      this.makeNow = compileMake(this.names)
    } catch (error) {
      // A process may forbid code from strings (--disallow-code-generation-from-strings): the loops by name stay.
      if (!(error instanceof EvalError)) throw error
    }
  }
}

/** The shapes that one thread has met. */
export class RecordShapes {
  private readonly byText = new Map<string, RecordShape>()
  private readonly recent: RecordShape[] = []

  /** The shape of a plain object. */
  of(value: object): RecordShape {
    const names = Object.keys(value)
    for (let index = 0; index < this.recent.length; index++) {
      const shape = this.recent[index]!
      if (!sameNames(shape.names, names)) continue
      if (index > 0) this.moveToFront(index)
      return shape
    }
    return this.add(new RecordShape(names))
  }

  /** The shape that a frame names; undefined when the text names none. */
  named(text: string): RecordShape | undefined {
    const known = this.byText.get(text)
    if (known !== undefined) return known
    const names = parseNames(text)
    return names === undefined ? undefined : this.add(new RecordShape(names, text))
  }

  private add(shape: RecordShape): RecordShape {
    this.recent.unshift(shape)
    this.byText.set(shape.text, shape)
    const dropped = this.recent.length > MAX_SHAPES ? this.recent.pop() : undefined
    if (dropped !== undefined) this.byText.delete(dropped.text)
    return shape
  }

  private moveToFront(index: number): void {
    const [shape] = this.recent.splice(index, 1)
    this.recent.unshift(shape!)
  }
}

function sameNames(left: readonly string[], right: readonly string[]): boolean {
  if (left.length !== right.length) return false
  for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) return false
  return true
}

function parseNames(text: string): readonly string[] | undefined {
  try {
    const names: unknown = JSON.parse(text)
    const isList = Array.isArray(names) && names.every((name) => typeof name === 'string')
    return isList && new Set(names).size === names.length ? names : undefined
  } catch {
    return undefined
  }
}

function gatherByName(values: readonly unknown[], names: readonly string[], columns: readonly unknown[][]): number {
  for (let row = 0; row < values.length; row++) {
    const value = values[row]
    if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return row
    let index = 0
    for (const name in value) {
      if (name !== names[index]) return row
      columns[index]![row] = (value as Record<string, unknown>)[name]
      index++
    }
    if (index !== names.length || symbolAsName(value) !== undefined) return row
  }
  return values.length
}

function makeByName(rows: number, names: readonly string[], columns: readonly (readonly unknown[])[]): unknown[] {
  const values: unknown[] = []
  for (let row = 0; row < rows; row++) {
    const value: Record<string, unknown> = {}
    for (let index = 0; index < names.length; index++) {
      const name = names[index]!
      const item = columns[index]![row]
      if (name !== '__proto__') value[name] = item
      else Object.defineProperty(value, name, { value: item, writable: true, enumerable: true, configurable: true })
    }
    values.push(value)
  }
  return values
}

// Names enter the source as JSON strings only, which are JavaScript string literals.

function compileGather(names: readonly string[]): Gather {
  const columns = names.map((_, index) => `const c${index} = columns[${index}]`).join('\n')
  const [first, ...others] = names.map((name, index) => `c${index}[row] = value[${JSON.stringify(name)}]`)
  // oxlint-disable-next-line typescript/no-implied-eval -- measured: see RecordShape
  const gather = new Function(
    'check',
    'values',
    'names',
    'columns',
    `${columns}
    const prototype = Object.prototype
    for (let row = 0; row < values.length; row++) {
      const value = values[row]
      if (typeof value !== 'object' || value === null) return row
      // Once a property was read V8 knows the kind of object, and by it the prototype: else that is a call.
      ${first}
      if (Object.getPrototypeOf(value) !== prototype) return row
      let index = 0
      for (const name in value) if (name !== names[index++]) return row
      if (index !== ${names.length} || !check(value)) return row
      ${others.join('\n')}
    }
    return values.length`,
  ) as (check: (value: object) => boolean, ...rest: Parameters<Gather>) => number
  if (names.length > MAX_COPIED_FIELDS)
    return (values, _names, columns) => gather(hasOnlyStrings, values, names, columns)
  const blank = Object.fromEntries(names.map((name) => [name, undefined]))
  const target = Object.preventExtensions({ ...blank })
  const check = copyInto(target)
  return (values, _names, columns) => {
    const rows = gather(check, values, names, columns)
    // Holds on to nothing of the last record.
    Object.assign(target, blank)
    return rows
  }
}

/** Up to here it is cheaper to copy an object than to ask for its symbols: 12 to 16 ns per property, and 80. */
const MAX_COPIED_FIELDS = 5

/** Whether an object has no other properties than `target`, which takes no others: not even one named by a symbol. */
function copyInto(target: object): (value: object) => boolean {
  return (value) => {
    try {
      Object.assign(target, value)
      return true
    } catch {
      return false
    }
  }
}

function hasOnlyStrings(value: object): boolean {
  return symbolAsName(value) === undefined
}

function compileMake(names: readonly string[]): Make {
  const columns = names.map((_, index) => `const c${index} = columns[${index}]`).join('\n')
  // In brackets, so that __proto__ is a property and no prototype.
  const properties = names.map((name, index) => `${propertyName(name)}: c${index}[row]`).join(', ')
  // oxlint-disable-next-line typescript/no-implied-eval -- measured: see RecordShape
  return new Function(
    'rows',
    'columns',
    `${columns}
    const values = new Array(rows)
    for (let row = 0; row < rows; row++) values[row] = { ${properties} }
    return values`,
  ) as Make
}

function propertyName(name: string): string {
  return name === '__proto__' ? '["__proto__"]' : JSON.stringify(name)
}
