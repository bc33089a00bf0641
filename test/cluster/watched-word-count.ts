/** The word count of examples/ in whatever thread: it tells the kill switch of every step of a checkpoint and of every operation on a file. */
import wordCount from '../../examples/word-count.ts'
import { type Behaviour, JOB, type JobDefinition } from '../../packages/tidemark/src/core/job.ts'
import type { Sink } from '../../packages/tidemark/src/core/sink.ts'
import type { Source } from '../../packages/tidemark/src/core/source.ts'
import { onPrecommitted, reach, takeTurn } from './kill-switch.ts'
import { watchNodeFiles } from './watched-files.ts'

const isPendingOutput = (path: string) => path.endsWith('/.pending')
const isInput = (path: string) => path.endsWith('.txt')

watchNodeFiles((operation, path, when) => {
  if (operation === 'syncDirectory' && when === 'after' && isPendingOutput(path)) onPrecommitted()
  reach(
    (at) =>
      at.kind === 'file' &&
      at.when === when &&
      (at.operation === 'any' || at.operation === operation) &&
      new RegExp(at.path).test(path),
  )
  return operation === 'read' && when === 'before' && isInput(path) ? takeTurn() : undefined
})

export default watched(wordCount)

function watched(job: JobDefinition): JobDefinition {
  return {
    ...job,
    [JOB]: job[JOB],
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
