/** A sink that takes nothing before the test says so, and a resource and a secret that each worker opens. */
import { BroadcastChannel, threadId } from 'node:worker_threads'
import { defineJob, jsonLines, output, resource, secret } from 'tidemark'
import { SINK, type Sink } from '../../../packages/tidemark/src/core/sink.ts'
import { anyParams, isFirst, stripedNumbers } from './kit.ts'

export const GATE = 'slow-sink-gate'

export interface SlowParams {
  readonly folder: string
  readonly records: number
}

function gated(records: number): Sink<number, 'at-least-once'> {
  return {
    [SINK]: {},
    kind: 'gated',
    delivery: 'at-least-once',
    describe: { records },
    createWriter({ wake }) {
      const gate = new BroadcastChannel(GATE)
      let isOpen = false
      gate.addEventListener('message', () => {
        isOpen = true
        wake()
      })
      return {
        write: (_values, from, to) => (isOpen ? to : from),
        prepareCommit: async () => [],
        close: () => gate.close(),
      }
    },
  }
}

const password = secret('PASSWORD')
const client = (folder: string) =>
  resource('client', {
    open({ secret: resolve }) {
      // Once per thread, or the second opening of a thread finds its marker.
      if (!isFirst(folder, `opened-${threadId}`)) throw new Error('opened twice in one worker')
      return { password: resolve(password.secret) }
    },
    close() {
      isFirst(folder, `closed-${threadId}`)
    },
  })

export default defineJob({
  name: 'slow-sink',
  params: anyParams<SlowParams>(),
  build(job, { folder, records }) {
    const { numbers, seen } = job
      .source('numbers', stripedNumbers(records, records))
      .keyBy((number) => number)
      .process('look', {
        using: { client: client(folder) },
        state: {},
        outputs: { numbers: output<number>(), seen: output<string>() },
        onRecord(number, { emit, use }) {
          emit.numbers(number)
          if (number < 10) emit.seen(use.client.password)
        },
      })
    numbers.rebalance().to('slow', gated(records))
    seen.to('seen', jsonLines(`${folder}/seen`))
  },
})
