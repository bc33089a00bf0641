import { type ExecutionGraph, inputChannels, type VertexEdge } from './execution-graph.ts'

/** A channel between tasks of different task hosts. */
export interface RemoteChannel {
  readonly id: string
  readonly fromHost: number
  readonly toHost: number
}

/**
 * Which of `hosts` task hosts runs subtask number `subtask` of any vertex: forward edges, which lead from a subtask to the one with the same number, so stay
 * within one thread, and every host gets an equal share of every vertex.
 */
export function hostOf(subtask: number, hosts: number): number {
  return subtask % hosts
}

/** How many of the `wanted` hosts would have a task. */
export function usefulHosts(graph: ExecutionGraph, wanted: number): number {
  return Math.max(1, Math.min(wanted, Math.max(...graph.vertices.map(({ parallelism }) => parallelism))))
}

/** The same in every thread. */
export function channelId(edge: VertexEdge, from: number, to: number): string {
  return `${edge.id}#${from}#${to}`
}

/** The channels that cross from one host to another. */
export function remoteChannels(graph: ExecutionGraph, hosts: number): readonly RemoteChannel[] {
  return graph.vertices.flatMap((vertex) =>
    Array.from({ length: vertex.parallelism }, (_, to) =>
      inputChannels(vertex, to)
        .map(({ edge, from }) => ({
          id: channelId(edge, from, to),
          fromHost: hostOf(from, hosts),
          toHost: hostOf(to, hosts),
        }))
        .filter(({ fromHost, toHost }) => fromHost !== toHost),
    ).flat(),
  )
}
