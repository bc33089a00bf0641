import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defineJob } from '../../api/define-job.ts'
import { collect } from '../../connectors/collect.ts'
import { fromArray } from '../../connectors/from-iterable.ts'
import { executionGraph, inputChannels } from './execution-graph.ts'
import { hostOf, remoteChannels, usefulHosts } from './placement.ts'

const job = defineJob('placed', (builder) => {
  const words = builder.source('words', fromArray(['a', 'b']))
  words
    .keyBy((word) => word)
    .runningCount('counts')
    .to('out', collect())
  words.rebalance().map((word) => word.length)
})

const graphOf = (parallelism: number) => executionGraph(job.build(undefined).plan, parallelism)

describe('placement', () => {
  it('never cuts a forward edge, and crosses hosts exactly where the two ends are on different ones', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), (parallelism, wanted) => {
        const graph = graphOf(parallelism)
        const hosts = usefulHosts(graph, wanted)
        const remote = remoteChannels(graph, hosts)
        let crossing = 0
        for (const vertex of graph.vertices) {
          for (let to = 0; to < vertex.parallelism; to++) {
            for (const { edge, from } of inputChannels(vertex, to)) {
              if (hostOf(from, hosts) === hostOf(to, hosts)) continue
              crossing++
              expect(edge.partitioning).not.toBe('forward')
            }
          }
        }
        expect(remote.length).toBe(crossing)
        expect(new Set(remote.map(({ id }) => id)).size).toBe(crossing)
        for (const { fromHost, toHost } of remote) expect(fromHost).not.toBe(toHost)
      }),
    )
  })

  it('leaves no host without a task', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), (parallelism, wanted) => {
        const graph = graphOf(parallelism)
        const hosts = usefulHosts(graph, wanted)
        const used = new Set<number>()
        for (const vertex of graph.vertices)
          for (let subtask = 0; subtask < vertex.parallelism; subtask++) used.add(hostOf(subtask, hosts))
        expect(used.size).toBe(hosts)
        expect(hosts).toBeLessThanOrEqual(wanted)
      }),
    )
  })
})
