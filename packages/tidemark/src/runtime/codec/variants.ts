import { MAX_FIELDS, MAX_TUPLE_ITEMS } from './frame-layout.ts'
import { hasOnlyNames, RecordShape } from './record-shape.ts'

/** Kinds of objects and lengths of tuples that get columns of their own within one column; others take the general path. */
const MAX_STRUCTURES = 12

export interface Sorted {
  /** For each row the number of its variant. */
  readonly selectors: Uint8Array
  /** The values of each variant, in order. Those of one variant are of one kind. */
  readonly variants: readonly (readonly unknown[])[]
}

/** Sorts values of a column by kind: primitives by type, plain objects by shape, arrays by length, all else together. */
export function sortIntoVariants(values: readonly unknown[], withStructures: boolean): Sorted {
  const selectors = new Uint8Array(values.length)
  const variants: unknown[][] = []
  const numbers = new Map<unknown, number>()
  const shapes: RecordShape[] = []
  for (let row = 0; row < values.length; row++) {
    const value = values[row]
    const kind =
      typeof value === 'object' && value !== null ? kindOfObject(value, shapes, withStructures) : kindOf(value)
    let number = numbers.get(kind)
    if (number === undefined) {
      const isStructure = typeof kind === 'number' || typeof kind === 'object'
      if (isStructure && numbers.size >= MAX_STRUCTURES) number = numbers.get('other')
      if (number === undefined) {
        number = variants.push([]) - 1
        numbers.set(isStructure && numbers.size >= MAX_STRUCTURES ? 'other' : kind, number)
      }
    }
    selectors[row] = number
    variants[number]!.push(value)
  }
  return { selectors, variants }
}

/** Whether all values are the same primitive. */
export function isConstant(values: readonly unknown[]): boolean {
  const { length } = values
  const first = values[0]
  if (typeof first === 'object' && first !== null) return false
  if (typeof first === 'function' || typeof first === 'symbol') return false
  // Two looks spare most columns the loop.
  if (!Object.is(first, values[length - 1]) || !Object.is(first, values[length >> 1])) return false
  for (let row = 1; row < length; row++) if (!Object.is(first, values[row])) return false
  return true
}

/** Types by name, objects by shape, tuples by length. */
type Kind = 'undefined' | 'null' | 'number' | 'string' | 'boolean' | 'other' | RecordShape | number

function kindOf(value: unknown): Kind {
  if (value === null) return 'null'
  const type = typeof value
  return type === 'number' || type === 'string' || type === 'boolean' || type === 'undefined' ? type : 'other'
}

function kindOfObject(value: object, shapes: RecordShape[], withStructures: boolean): Kind {
  if (!withStructures) return 'other'
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Array.prototype) return kindOfArray(value)
  if (prototype !== Object.prototype || !hasOnlyNames(value)) return 'other'
  for (const shape of shapes) if (shape.fits(value)) return shape
  const names = Object.keys(value)
  if (shapes.length >= MAX_STRUCTURES || names.length === 0 || names.length > MAX_FIELDS) return 'other'
  const shape = new RecordShape(names)
  shapes.push(shape)
  return shape
}

function kindOfArray(value: object): Kind {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_TUPLE_ITEMS) return 'other'
  return Object.keys(value).length === value.length && hasOnlyNames(value) ? value.length : 'other'
}
