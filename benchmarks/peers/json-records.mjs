// The count of jobs/json-records.ts as a loop over the chunks of the file: what remains is JSON.parse.
import { createReadStream } from 'node:fs'
import { parseArgs } from 'node:util'

const { input } = parseArgs({ options: { input: { type: 'string' } } }).values
const counts = new Map()
let rest = ''
for await (const chunk of createReadStream(input, { encoding: 'utf8', highWaterMark: 1 << 19 })) {
  const lines = (rest + chunk).split('\n')
  rest = lines.pop()
  for (const line of lines) {
    const { customer } = JSON.parse(line)
    counts.set(customer, (counts.get(customer) ?? 0) + 1)
  }
}
console.log(counts.size)
