/** Numbers in as many stripes as there are tasks, each straight into its own sink task: what sink task i sees is i, i + n, i + 2n, … in this order. */
import { defineJob, jsonLines } from 'tidemark'
import { anyParams, stripedNumbers } from './kit.ts'

export interface StripedParams {
  readonly folder: string
  readonly records: number
  readonly portion: number
  readonly stripes: number
}

export default defineJob({
  name: 'striped',
  params: anyParams<StripedParams>(),
  build(job, { folder, records, portion, stripes }) {
    job
      .source('numbers', stripedNumbers(records, portion, stripes))
      .map((number) => number)
      .to('out', jsonLines(`${folder}/striped`))
  },
})
