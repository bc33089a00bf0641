import { MAX_FIELDS } from './frame-layout.ts'
import { RecordShape } from './record-shape.ts'

/** Shapes of objects that get columns of their own within one column; others take the general path. */
const MAX_SHAPES = 12

/** What values of a column are sorted by; a number from `SHAPES` on stands for a shape. */
const KIND = { undefined: 0, null: 1, number: 2, string: 3, boolean: 4, array: 5, other: 6 } as const
const SHAPES = 7

export interface Sorted {
  /** For each row the number of its variant. */
  readonly selectors: Uint8Array
  /** The values of each variant, in order. Those of one variant are of one kind. */
  readonly variants: readonly (readonly unknown[])[]
}

/** Sorts values of a column by kind: primitives by type, plain objects by shape, arrays, all else together. */
export function sortIntoVariants(values: readonly unknown[], withStructures: boolean): Sorted {
  const selectors = new Uint8Array(values.length)
  const variants: unknown[][] = []
  const numberOf = new Int8Array(SHAPES + MAX_SHAPES).fill(-1)
  const shapes: RecordShape[] = []
  for (let row = 0; row < values.length; row++) {
    const value = values[row]
    const isObject = typeof value === 'object' && value !== null
    const kind = isObject ? (withStructures ? kindOfObject(value, shapes) : KIND.other) : kindOf(value)
    let number = numberOf[kind]!
    if (number === -1) {
      number = variants.push([]) - 1
      numberOf[kind] = number
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

function kindOf(value: unknown): number {
  switch (typeof value) {
    case 'undefined':
      return KIND.undefined
    case 'number':
      return KIND.number
    case 'string':
      return KIND.string
    case 'boolean':
      return KIND.boolean
    case 'object':
      return KIND.null
    case 'bigint':
    case 'function':
    case 'symbol':
      return KIND.other
  }
}

/** Holes, properties beside the items or named by symbols are found when the variant is written. */
function kindOfObject(value: object, shapes: RecordShape[]): number {
  if (Array.isArray(value)) return KIND.array
  if (Object.getPrototypeOf(value) !== Object.prototype) return KIND.other
  for (let index = 0; index < shapes.length; index++) if (shapes[index]!.fits(value)) return SHAPES + index
  const names = Object.keys(value)
  if (shapes.length >= MAX_SHAPES || names.length === 0 || names.length > MAX_FIELDS) return KIND.other
  return SHAPES + shapes.push(new RecordShape(names)) - 1
}
