/**
 * Whether two encodable values are the same in every respect that a program can see, save identity: prototypes, holes, -0, order of properties and
 * entries, the bytes of NaN aside.
 */
export function strictlyEqual(left: unknown, right: unknown): boolean {
  if (typeof left !== 'object' || left === null || typeof right !== 'object' || right === null) {
    return Object.is(left, right)
  }
  if (Object.getPrototypeOf(left) !== Object.getPrototypeOf(right)) return false
  if (left instanceof Date) return Object.is(left.getTime(), (right as Date).getTime())
  if (left instanceof Map)
    return sameInOrder(
      [...left.keys(), ...left.values()],
      [...(right as Map<unknown, unknown>).keys(), ...(right as Map<unknown, unknown>).values()],
    )
  if (left instanceof Set) return sameInOrder([...left], [...(right as Set<unknown>)])
  if (left instanceof ArrayBuffer)
    return sameInOrder([...new Uint8Array(left)], [...new Uint8Array(right as ArrayBuffer)])
  if (ArrayBuffer.isView(left)) return sameInOrder(bytesOf(left), bytesOf(right as ArrayBufferView))
  if (Array.isArray(left) && left.length !== (right as unknown[]).length) return false
  const names = Object.keys(left)
  return (
    sameInOrder(names, Object.keys(right)) &&
    names.every((name) => strictlyEqual((left as Named)[name], (right as Named)[name]))
  )
}

type Named = Record<string, unknown>

function sameInOrder(left: readonly unknown[], right: readonly unknown[]): boolean {
  return left.length === right.length && left.every((item, index) => strictlyEqual(item, right[index]))
}

function bytesOf(view: ArrayBufferView): readonly number[] {
  return [...new Uint8Array(view.buffer, view.byteOffset, view.byteLength)]
}
