import { createWriteStream } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { once } from 'node:events'
import { ROOT } from './root.ts'

const VOCABULARY = 100_000
const CONSONANTS = 'bcdfghjklmnpqrstvwz'
const VOWELS = 'aeiou'
const SYLLABLES = [1, 2, 2, 3, 3, 4]
/** Words that are written at once. */
const CHUNK_WORDS = 200_000

export interface WordsFile {
  readonly path: string
  readonly words: number
}

/**
 * A text of random words, always the same for the same size: 100,000 words of which the nth is drawn in proportion to 1/n (Zipf), 8 to 12 to a line.
 * Kept in node_modules/.cache.
 */
export async function wordsFile(megabytes: number): Promise<WordsFile> {
  const directory = join(ROOT, 'node_modules/.cache/bench')
  const path = join(directory, `words-${megabytes}.txt`)
  const record = `${path}.count`
  const known = await readFile(record, 'utf8').catch(() => null)
  if (known !== null) return { path, words: Number(known) }
  await mkdir(directory, { recursive: true })
  const aside = `${path}.tmp`
  const words = await writeWords(aside, megabytes * 1e6)
  await rename(aside, path)
  await writeFile(record, String(words))
  return { path, words }
}

async function writeWords(path: string, size: number): Promise<number> {
  const random = seeded(42)
  const vocabulary = makeVocabulary(random)
  const cumulated = new Float64Array(VOCABULARY)
  let weight = 0
  for (let rank = 0; rank < VOCABULARY; rank++) cumulated[rank] = weight += 1 / (rank + 1)
  const file = createWriteStream(path)
  let words = 0
  for (let written = 0; written < size;) {
    const lines: string[] = []
    for (let left = CHUNK_WORDS; left > 0;) {
      const line = Array.from({ length: Math.min(left, 8 + Math.floor(random() * 5)) }, () => {
        return vocabulary[firstAbove(cumulated, random() * weight)]!
      })
      left -= line.length
      lines.push(line.join(' '))
    }
    const text = `${lines.join('\n')}\n`
    words += CHUNK_WORDS
    written += text.length
    if (!file.write(text)) await once(file, 'drain')
  }
  file.end()
  await once(file, 'close')
  return words
}

function makeVocabulary(random: () => number): readonly string[] {
  const pick = <T>(from: ArrayLike<T>): T => from[Math.floor(random() * from.length)]!
  const vocabulary = new Set<string>()
  while (vocabulary.size < VOCABULARY) {
    const word = Array.from({ length: pick(SYLLABLES) }, () => pick(CONSONANTS) + pick(VOWELS)).join('')
    vocabulary.add(vocabulary.has(word) ? word + pick(CONSONANTS) : word)
  }
  return [...vocabulary]
}

/** Index of the first value above the given one; the values rise. */
function firstAbove(values: Float64Array, value: number): number {
  let low = 0
  let high = values.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (values[middle]! > value) high = middle
    else low = middle + 1
  }
  return low
}

/** mulberry32: numbers from 0 up to 1. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
