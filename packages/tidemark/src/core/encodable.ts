import { TidemarkError } from './errors.ts'
import { isPlainBuffer, MAX_DEPTH, symbolAsName, viewNumber } from './value-layout.ts'

/** Why a value is refused, and where in it: `.user.address[3]`. */
interface Refusal {
  readonly path: string
  readonly problem: string
  readonly action: string
}

/** Throws `NOT_ENCODABLE` for exactly what `valueCodec` refuses. `what` begins the message: `The value of state 'seen'`. */
export function assertEncodable(value: unknown, what: string): void {
  if (findRefusal(value, []) !== null) throw notEncodable(value, what)
}

/** The error that says where and why `value` is refused. */
export function notEncodable(value: unknown, what: string): TidemarkError {
  const refusal = findRefusal(value, [])
  // Only a value that differs each time it is read (a proxy, a getter) is refused once and then not.
  const { problem, action } = refusal ?? { problem: 'changes while it is read', action: PLAIN_DATA }
  const path = `$${refusal?.path ?? ''}`
  return new TidemarkError('NOT_ENCODABLE', `${what} cannot be stored or sent: ${path} ${problem}`, {
    action,
    context: { path },
  })
}

/**
 * Freezes a value and all that it holds. What is frozen already is taken to be so all the way down. The bytes of typed arrays and the entries of maps and
 * sets cannot be frozen; what those entries hold is.
 */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value
  Object.freeze(value)
  if (value instanceof Map) {
    for (const [key, item] of value) {
      deepFreeze(key)
      deepFreeze(item)
    }
  } else if (value instanceof Set) {
    for (const item of value) deepFreeze(item)
  } else {
    for (const name of Object.keys(value)) deepFreeze((value as Record<string, unknown>)[name])
  }
  return value
}

const PLAIN_DATA = 'Use plain data: objects, arrays, Map, Set, Date, typed arrays, strings, numbers, bigints, booleans.'

/** Paths begin at `value`: callers put in front how they came to it. */
function findRefusal(value: unknown, holders: object[]): Refusal | null {
  if (typeof value === 'function') return { path: '', problem: 'is a function', action: PLAIN_DATA }
  if (typeof value === 'symbol') return { path: '', problem: 'is a symbol', action: PLAIN_DATA }
  if (typeof value !== 'object' || value === null) return null
  if (holders.includes(value)) {
    return { path: '', problem: 'refers back to a value that holds it', action: 'Refer to it by an id instead.' }
  }
  if (holders.length >= MAX_DEPTH) {
    return { path: '', problem: `is nested deeper than ${MAX_DEPTH} levels`, action: 'Store it as a flat list.' }
  }
  const refusal = refusalOfObject(value)
  if (refusal !== null) return refusal
  holders.push(value)
  const inside = refusalInside(value, holders)
  holders.pop()
  return inside
}

function refusalOfObject(value: object): Refusal | null {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) {
    return propertyNamedBySymbol(value)
  }
  if (prototype === Array.prototype) return Array.isArray(value) ? extraProperty(value) : className(value)
  if (viewNumber(prototype) !== undefined) {
    return ArrayBuffer.isView(value) && isPlainBuffer(value.buffer) ? propertyNamedBySymbol(value) : sharedMemory()
  }
  if (prototype === ArrayBuffer.prototype) {
    return isPlainBuffer(value as ArrayBuffer) ? extraProperty(value) : sharedMemory()
  }
  const isKnown = prototype === Date.prototype || prototype === Map.prototype || prototype === Set.prototype
  return isKnown ? extraProperty(value) : className(value)
}

function extraProperty(value: object): Refusal | null {
  const length = Array.isArray(value) ? value.length : 0
  for (const name of Object.keys(value)) {
    const index = Number(name)
    if (!(index < length) || String(index >>> 0) !== name) {
      const problem = `has the extra property ${JSON.stringify(name)}, which would be lost`
      return { path: '', problem, action: 'Copy what you need: [...array], or a plain object.' }
    }
  }
  return propertyNamedBySymbol(value)
}

function propertyNamedBySymbol(value: object): Refusal | null {
  const symbol = symbolAsName(value)
  if (symbol === undefined) return null
  return { path: '', problem: `has a property whose name is ${String(symbol)}`, action: 'Name properties by strings.' }
}

function className(value: object): Refusal {
  const { constructor } = value as { constructor?: { name?: unknown } }
  const name = typeof constructor?.name === 'string' && constructor.name !== '' ? constructor.name : 'a class'
  if (name === 'Promise') return { path: '', problem: 'is a promise', action: 'Await it before.' }
  if (name === 'Buffer') {
    return { path: '', problem: 'is a Buffer', action: 'Copy it: new Uint8Array(buffer); or store its text.' }
  }
  return { path: '', problem: `is an instance of ${name}`, action: PLAIN_DATA }
}

function sharedMemory(): Refusal {
  return { path: '', problem: 'lies in shared or resizable memory', action: 'Copy it: value.slice().' }
}

function refusalInside(value: object, holders: object[]): Refusal | null {
  if (value instanceof Map) return refusalInMap(value, holders)
  if (value instanceof Set) {
    let index = 0
    for (const item of value) {
      const refusal = findRefusal(item, holders)
      if (refusal !== null) return at(`.values()[${index}]`, refusal)
      index++
    }
    return null
  }
  if (ArrayBuffer.isView(value)) return null
  for (const name of Object.keys(value)) {
    const refusal = findRefusal((value as Record<string, unknown>)[name], holders)
    if (refusal !== null) return at(Array.isArray(value) ? `[${name}]` : propertyText(name), refusal)
  }
  return null
}

function refusalInMap(map: ReadonlyMap<unknown, unknown>, holders: object[]): Refusal | null {
  let index = 0
  for (const [key, item] of map) {
    const ofKey = findRefusal(key, holders)
    if (ofKey !== null) return at(`.keys()[${index}]`, ofKey)
    const ofItem = findRefusal(item, holders)
    if (ofItem !== null) return at(`.get(${keyText(key, index)})`, ofItem)
    index++
  }
  return null
}

function at(step: string, refusal: Refusal): Refusal {
  return { ...refusal, path: step + refusal.path }
}

function propertyText(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`
}

function keyText(key: unknown, index: number): string {
  return typeof key === 'string' || typeof key === 'number' ? JSON.stringify(key) : `key ${index}`
}
