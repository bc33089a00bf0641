// The count of jobs/word-count.ts as a loop over the chunks of the file.
import { createReadStream } from 'node:fs'
import { parseArgs } from 'node:util'

const { input } = parseArgs({ options: { input: { type: 'string' } } }).values
const counts = new Map()
let rest = ''
for await (const chunk of createReadStream(input, { encoding: 'utf8', highWaterMark: 1 << 20 })) {
  const words = (rest + chunk).split(/[ \n]/)
  rest = words.pop()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
}
console.log(counts.size)
