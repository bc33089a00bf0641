/**
 * The word count of examples/ in a process that kills itself when told. Writes every event of the job as a line of JSON. While it is to be killed one file of the input is
 * read per checkpoint, so that the job lasts as long as there are kills.
 */
import { writeSync } from 'node:fs'
import wordCount from '../../examples/word-count.ts'
import type { Behaviour, JobDefinition } from '../../packages/tidemark/src/core/job.ts'
import type { Sink } from '../../packages/tidemark/src/core/sink.ts'
import type { Source } from '../../packages/tidemark/src/core/source.ts'
import { JobMaster } from '../../packages/tidemark/src/runtime/job/job-master.ts'
import { nodeEnvironment } from '../../packages/tidemark/src/runtime/job/run.ts'
import { type KillMoment, ORDER_VARIABLE, type ProcessOrder } from './kill-order.ts'
import { WatchedFiles } from './watched-files.ts'

const order = JSON.parse(process.env[ORDER_VARIABLE]!) as ProcessOrder
const { kill } = order

let isArmed = order.isDuringRecovery
let occurrences = 0
/** Output has been pre-committed for the checkpoint under way: it will have something to commit. */
let hasPrecommitted = false

/** Dies here if this is the moment. */
function reach(isMoment: (at: KillMoment) => boolean): void {
  if (kill === null || !isArmed || (kill.needsOutput && !hasPrecommitted)) return
  if (!isMoment(kill.at) || ++occurrences < kill.occurrence) return
  tell({ kind: 'killing', name: kill.name })
  process.kill(process.pid, 'SIGKILL')
  // The signal is on its way; nothing may happen meanwhile.
  for (;;);
}

function tell(event: object): void {
  // Synchronously: what was told before the kill has been told.
  writeSync(1, `${JSON.stringify(event)}\n`)
}

/** Lets one read of the input through for every checkpoint. */
class Pace {
  private readonly waiting: (() => void)[] = []
  private permits = 1

  take(): void | Promise<void> {
    if (kill === null || this.permits > 0) return void this.permits--
    return new Promise((resolve) => void this.waiting.push(resolve))
  }

  onCheckpoint(): void {
    const next = this.waiting.shift()
    if (next === undefined) this.permits++
    else next()
  }
}

/** The same job, with sources and sinks that tell when they take part in a snapshot. */
function watched(job: JobDefinition): JobDefinition {
  return {
    ...job,
    build(params) {
      const built = job.build(params)
      const behaviours = [...built.behaviours].map(
        ([operator, behaviour]) => [operator, watchedStep(behaviour)] as const,
      )
      return { ...built, behaviours: new Map(behaviours) }
    },
  }
}

function watchedStep(behaviour: Behaviour): Behaviour {
  if (behaviour.kind === 'source') return { ...behaviour, source: watchedSource(behaviour.source) }
  if (behaviour.kind === 'sink') return { ...behaviour, sink: watchedSink(behaviour.sink) }
  return behaviour
}

function watchedSource(source: Source<unknown>): Source<unknown> {
  return {
    ...source,
    createReader(context) {
      const reader = source.createReader(context)
      const snapshot = reader.snapshot.bind(reader)
      reader.snapshot = (checkpoint) => {
        const splits = snapshot(checkpoint)
        reach((at) => at.kind === 'snapshot' && at.part === 'source')
        return splits
      }
      return reader
    },
  }
}

function watchedSink(sink: Sink<unknown>): Sink<unknown> {
  return {
    ...sink,
    createWriter(context) {
      const writer = sink.createWriter(context)
      const prepareCommit = writer.prepareCommit.bind(writer)
      const write = writer.write.bind(writer)
      writer.prepareCommit = (checkpoint) => {
        reach((at) => at.kind === 'snapshot' && at.part === 'sink-before')
        const prepared = prepareCommit(checkpoint)
        reach((at) => at.kind === 'snapshot' && at.part === 'sink-after')
        return prepared
      }
      writer.write = (values, from, to, timestamps) => {
        const taken = write(values, from, to, timestamps)
        reach((at) => at.kind === 'write')
        return taken
      }
      return writer
    },
  }
}

const environment = nodeEnvironment()
const pace = new Pace()
const isPendingOutput = (path: string) => path.endsWith('/.pending')
const isInput = (path: string) => path.endsWith('.txt')
const files = new WatchedFiles(environment.files, (operation, path, when) => {
  if (operation === 'syncDirectory' && when === 'after' && isPendingOutput(path)) hasPrecommitted = true
  reach(
    (at) =>
      at.kind === 'file' &&
      at.when === when &&
      (at.operation === 'any' || at.operation === operation) &&
      new RegExp(at.path).test(path),
  )
  if (operation === 'read' && when === 'before' && isInput(path)) return pace.take()
})

const options = {
  parallelism: order.parallelism,
  checkpointMode: order.checkpointMode,
  checkpointDir: order.checkpointDir,
  checkpointInterval: kill === null ? 100 : 5,
  // A failure is a finding here, not something to recover from.
  restartStrategy: 'none',
} as const
const handle = new JobMaster(watched(wordCount), options, { ...environment, files })
handle.on((event) => {
  tell(event)
  // What recovery has synced is of an earlier process.
  if (event.kind === 'started') hasPrecommitted = false
  if (event.kind !== 'checkpoint-completed') return
  pace.onCheckpoint()
  if (!order.isDuringRecovery) isArmed = true
  reach((at) => at.kind === 'completed')
  hasPrecommitted = false
  // The second link is the second of one commit.
  if (kill?.at.kind === 'file' && kill.at.operation !== 'any') occurrences = 0
})
const { status } = await handle.result
tell({ kind: 'ended', status })
