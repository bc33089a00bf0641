// The count of jobs/keyed-count.ts as a loop around a Map.
import { parseArgs } from 'node:util'

const { records, keys } = parseArgs({ options: { records: { type: 'string' }, keys: { type: 'string' } } }).values
const total = Number(keys)
const counts = new Map()
for (let index = 0; index < Number(records); index++) {
  const key = (Math.imul(index, 0x9e3779b1) >>> 0) % total
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
console.log(counts.size)
