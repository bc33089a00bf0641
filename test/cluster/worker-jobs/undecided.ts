/** A job that is another one in every thread. */
import { isMainThread } from 'node:worker_threads'
import { defineJob, fromArray, jsonLines } from 'tidemark'
import { anyParams } from './kit.ts'

export default defineJob({
  name: 'undecided',
  params: anyParams<{ readonly folder: string }>(),
  build(job, { folder }) {
    job
      .source('numbers', fromArray([1, 2, 3]))
      .keyBy((number) => number)
      .runningCount(isMainThread ? 'counts' : 'other-counts')
      .to('out', jsonLines(`${folder}/out`))
  },
})
