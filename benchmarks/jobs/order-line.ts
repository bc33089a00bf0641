/** What `orderLine` makes: 30 fields, a third each of texts, whole numbers and fractions, with some flags. */
export interface Order {
  readonly customer: string
  readonly [field: string]: string | number | boolean
}

const REST = Array.from({ length: 28 }, (_, index) => {
  const name = `field_${index}`
  if (index % 9 === 8) return `"${name}":${index % 2 === 0}`
  if (index % 3 === 0) return `"${name}":"text of ${name}"`
  return index % 3 === 1 ? `"${name}":${index * 1009}` : `"${name}":${index + 0.25}`
}).join(',')

/** A line of JSON with 30 fields, some 600 characters: the same for the same index. */
export function orderLine(index: number, customers: number): string {
  const customer = (Math.imul(index, 0x9e3779b1) >>> 0) % customers
  return `{"customer":"customer-${customer}","order":${index},${REST}}`
}
