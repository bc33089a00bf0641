/**
 * How fast are the words of a file of 300 MB counted, exactly once with a checkpoint each second, beside a loop written by hand and beside a warm Flink?
 * npm run bench:word-count [-- --rounds 5 --megabytes 300 --no-flink]
 */
import { compare } from './harness/compare.ts'
import { flink, handWritten, hasFlink, jobFile, numberArgument, runTidemark } from './harness/subjects.ts'
import { wordsFile } from './harness/words-file.ts'

const rounds = numberArgument('rounds', 5)
const megabytes = numberArgument('megabytes', 300)
const { path, words } = await wordsFile(megabytes)
const input = ['--input', path]
const tidemark = (parallelism: number) => () =>
  runTidemark({
    job: jobFile('word-count'),
    parallelism,
    workers: parallelism,
    checkpointInterval: '1s',
    counted: words,
    jobArguments: input,
  })

await compare({
  title: `word count of ${megabytes} MB, ${(words / 1e6).toFixed(1)} M words`,
  units: { count: words, name: 'words' },
  subjects: [
    { name: 'tidemark p=2 on 2 workers', run: tidemark(2) },
    { name: 'tidemark p=1 on a worker', run: tidemark(1) },
    handWritten('chunks, split and a Map', 'word-count.mjs', ...input),
    ...(hasFlink() ? [flink('warm Flink p=2', 2, words, '--workload', 'word-count', ...input)] : []),
  ],
  rounds,
})
