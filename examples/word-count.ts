/**
 * Counts the words of text files. Every line of the output is a word with its running count.
 *
 *     npx tidemark run examples/word-count.ts -- --input 'books/*.txt' --output out/books
 */
import { parseArgs } from 'node:util'
import { defineJob, jsonLines, lines } from 'tidemark'

export default defineJob('word-count', (job) => {
  const { input, output } = parseArgs({
    options: {
      input: { type: 'string', default: 'examples/data/*.txt' },
      output: { type: 'string', default: 'out/word-count' },
    },
  }).values

  job
    .source('text', lines(input))
    .flatMap((line) => line.toLowerCase().match(/\p{L}+/gu) ?? [])
    .keyBy((word) => word)
    .runningCount('counts')
    .to('out', jsonLines(output))
})
