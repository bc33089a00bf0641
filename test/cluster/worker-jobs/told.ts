/**
 * Four vertices with channels between all tasks, state that is large enough for files, and operators that write down what they are told of checkpoints. What happens to the state files of
 * a worker the test says in the environment data of its thread.
 */
import { appendFileSync } from 'node:fs'
import { getEnvironmentData, threadId } from 'node:worker_threads'
import { defineJob, jsonLines, output, value } from 'tidemark'
import type { Sink } from '../../../packages/tidemark/src/core/sink.ts'
import type { OperatorContext } from '../../../packages/tidemark/src/runtime/operator/contract.ts'
import { MapOperator } from '../../../packages/tidemark/src/runtime/operator/map.ts'
import { ProcessOperator } from '../../../packages/tidemark/src/runtime/operator/process.ts'
import { SinkOperator } from '../../../packages/tidemark/src/runtime/operator/sink.ts'
import { watchNodeFiles } from '../watched-files.ts'
import { anyParams, stripedNumbers } from './kit.ts'

export const KEYS = 64
export const TROUBLE = 'tidemark-test.told-trouble'

/** What becomes of the state file of a task: `fail`, or wait until the word is not 0. */
export interface Trouble {
  readonly folder: string
  readonly fails: readonly { readonly checkpoint: number; readonly task: string }[]
  readonly waits: readonly { readonly checkpoint: number; readonly task: string }[]
  readonly gate: Int32Array<SharedArrayBuffer>
}

export interface ToldParams {
  readonly folder: string
  readonly records: number
  readonly portion: number
  /** A sink task takes no more records in one turn of the event loop. */
  readonly recordsPerTurn: number
}

/** A line of `told-<thread>.jsonl`. */
export interface Told {
  readonly of: string
  readonly what: 'complete' | 'aborted'
  readonly checkpoint: number
}

const trouble = getEnvironmentData(TROUBLE) as unknown as Trouble | undefined
if (trouble !== undefined) listenTo(trouble)

function listenTo({ folder, fails, waits, gate }: Trouble): void {
  const prototypes = [MapOperator.prototype, ProcessOperator.prototype, SinkOperator.prototype]
  for (const prototype of prototypes) {
    const notifyComplete = Reflect.get(prototype, 'notifyComplete') as ((checkpoint: number) => void) | undefined
    const tell = (operator: object, what: Told['what'], checkpoint: number) => {
      const context = Reflect.get(operator, 'context') as OperatorContext
      const told: Told = { of: `${context.operator}#${context.subtask}`, what, checkpoint }
      appendFileSync(`${folder}/told-${threadId}.jsonl`, `${JSON.stringify(told)}\n`)
    }
    Object.assign(prototype, {
      notifyAborted(this: object, checkpoint: number) {
        tell(this, 'aborted', checkpoint)
      },
      notifyComplete(this: object, checkpoint: number) {
        notifyComplete?.call(this, checkpoint)
        tell(this, 'complete', checkpoint)
      },
    })
  }
  watchNodeFiles(async (operation, path, when) => {
    if (operation !== 'create' || when !== 'before') return
    if (fails.some((one) => isAbout(path, one))) throw new Error('planned failure of the disk')
    if (waits.some((one) => isAbout(path, one)) && Atomics.load(gate, 0) === 0)
      await Atomics.waitAsync(gate, 0, 0).value
  })
}

function isAbout(path: string, { checkpoint, task }: Trouble['fails'][number]): boolean {
  return path.includes(`/chk-${checkpoint}/${task}-`)
}

/** Takes at most so many records per turn. */
function slowed<T>(sink: Sink<T, 'exactly-once'>, recordsPerTurn: number): Sink<T, 'exactly-once'> {
  return {
    ...sink,
    createWriter(context) {
      const writer = sink.createWriter(context)
      const write = writer.write.bind(writer)
      let taken = 0
      writer.write = (values, from, to, timestamps) => {
        const end = Math.min(to, from + recordsPerTurn - taken)
        if (end > from) taken += write(values, from, end, timestamps) - from
        if (taken < recordsPerTurn) return end
        setImmediate(() => {
          taken = 0
          context.wake()
        })
        return end
      }
      return writer
    },
  }
}

export default defineJob({
  name: 'told',
  params: anyParams<ToldParams>(),
  build(job, { folder, records, portion, recordsPerTurn }) {
    const { sums } = job
      .source('numbers', stripedNumbers(records, portion))
      .rebalance()
      .map((number) => number)
      .keyBy((number) => number % KEYS)
      .process('sum', {
        state: { count: value(0), text: value('') },
        outputs: { sums: output<readonly [number, number, number]>() },
        onRecord(number: number, { state, emit, key }) {
          // More than travels in an acknowledgement.
          if (state.text.get() === '') state.text.set(`${key}`.padEnd(10_000, 'x'))
          emit.sums([number, key, state.count.update((count) => count + 1)])
        },
      })
    sums.rebalance().to('out', slowed(jsonLines<readonly [number, number, number]>(`${folder}/out`), recordsPerTurn))
  },
})
