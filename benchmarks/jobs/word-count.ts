/** Counts the words of a text file in which one space parts two words. The sink does nothing with the counts. Arguments: `-- --input FILE`. */
import { parseArgs } from 'node:util'
import { defineJob, forEachSink, lines } from 'tidemark'

export default defineJob('word-count', (job) => {
  const { input = '' } = parseArgs({ options: { input: { type: 'string' } } }).values
  job
    .source('text', lines(input))
    .flatMap((line) => line.split(' '))
    .keyBy((word) => word)
    .runningCount('counts')
    .to(
      'nowhere',
      forEachSink(() => {}),
    )
})
