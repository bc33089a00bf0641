// Tells whether the output of word-count.ts is right, without anything of Tidemark: counts the words itself, then looks for every value.
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * How often every word occurs in these files.
 *
 * @param {readonly string[]} paths
 * @returns {Promise<Map<string, number>>}
 */
export async function countWords(paths) {
  const counts = new Map()
  for (const path of paths) {
    for await (const text of textsOf(path)) {
      for (const word of text.toLowerCase().split(/\P{L}+/u)) {
        if (word !== '') counts.set(word, (counts.get(word) ?? 0) + 1)
      }
    }
  }
  return counts
}

/**
 * Whether the committed values of every word are exactly 1 … N.
 *
 * @param {string} folder of the output
 * @param {ReadonlyMap<string, number>} expected N of every word
 * @returns {Promise<{ values: number, bytes: number, files: number, wrong: string[] }>} `wrong` says what is; empty when all is right
 */
export async function checkCounts(folder, expected) {
  const checked = { values: 0, bytes: 0, files: 0, wrong: [] }
  /** One bit per value. */
  const seen = new Map()
  const names = (await readdir(folder)).filter((name) => name.endsWith('.jsonl'))
  for (const name of names) {
    checked.files++
    for await (const text of textsOf(join(folder, name), (bytes) => (checked.bytes += bytes))) {
      for (const line of text.split('\n')) if (line !== '') checkLine(line)
    }
  }
  for (const [word, count] of expected) {
    const found = seen.get(word)?.count ?? 0
    if (found < count) checked.wrong.push(`${word}: ${count - found} of the values 1 … ${count} are missing`)
  }
  return checked

  function checkLine(line) {
    const [word, value] = JSON.parse(line)
    checked.values++
    const count = expected.get(word) ?? 0
    if (!Number.isInteger(value) || value < 1 || value > count) {
      checked.wrong.push(`${word}: ${value}, but it occurs ${count} times`)
      return
    }
    let values = seen.get(word)
    if (values === undefined) seen.set(word, (values = { count: 0, bits: new Uint8Array((count >> 3) + 1) }))
    const bit = 1 << (value & 7)
    if ((values.bits[value >> 3] & bit) !== 0) {
      checked.wrong.push(`${word}: ${value} twice`)
      return
    }
    values.bits[value >> 3] |= bit
    values.count++
  }
}

/** The text of a file in pieces of whole lines. */
async function* textsOf(path, onBytes = () => {}) {
  let rest = ''
  const stream = createReadStream(path, { encoding: 'utf8', highWaterMark: 1 << 20 })
  for await (const chunk of stream) {
    const end = chunk.lastIndexOf('\n') + 1
    if (end === 0) {
      rest += chunk
      continue
    }
    yield rest + chunk.slice(0, end)
    rest = chunk.slice(end)
  }
  if (rest !== '') yield rest
  onBytes(stream.bytesRead)
}
