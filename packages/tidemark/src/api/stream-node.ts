import type { Key } from '../core/key.ts'
import type { OperatorId } from '../core/ids.ts'
import type { Partitioning, PlanInput } from '../core/plan.ts'
import { hasMark, invalidJob, show } from './arguments.ts'
import type { CallSite } from './call-site.ts'
import type { JobGraph } from './job-graph.ts'
import { STREAM } from './stream.ts'

/** What is behind a stream: where its records come from and how they are dealt out to the step that uses it. */
export interface StreamNode {
  readonly graph: JobGraph
  /** Several are a union. */
  readonly origins: readonly StreamOrigin[]
  /** Where the partitioning is `hash`. */
  readonly key: ((record: unknown) => Key) | null
}

export interface StreamOrigin {
  readonly operator: OperatorId
  readonly output: number
  readonly partitioning: Partitioning
}

/** How an input that reads this stream is fed. */
export function inputKind(node: StreamNode): PlanInput['kind'] {
  if (node.key !== null) return 'keyed'
  return node.origins.every((origin) => origin.partitioning === 'broadcast') ? 'broadcast' : 'plain'
}

/** The same records, dealt out differently. */
export function repartition(node: StreamNode, partitioning: Partitioning, key: StreamNode['key'] = null): StreamNode {
  return { graph: node.graph, origins: node.origins.map((origin) => ({ ...origin, partitioning })), key }
}

/** The job that a stream belongs to. */
export function graphOf(value: unknown, at: CallSite | undefined): JobGraph {
  return nodeOf('the first input of connect()', value, at).graph
}

/** The node of a value that the user gave as a stream of this job. */
export function requireStream(what: string, value: unknown, graph: JobGraph, at: CallSite | undefined): StreamNode {
  const node = nodeOf(what, value, at)
  if (node.graph !== graph) {
    throw invalidJob(
      `${what} is a stream of another job`,
      'Use streams only inside the build function that made them.',
      at,
    )
  }
  return node
}

function nodeOf(what: string, value: unknown, at: CallSite | undefined): StreamNode {
  if (hasMark(value, STREAM)) return (value as { readonly [STREAM]: StreamNode })[STREAM]
  throw invalidJob(`${what} is not a stream: got ${show(value)}`, 'Give a stream that a step of this job returned.', at)
}
