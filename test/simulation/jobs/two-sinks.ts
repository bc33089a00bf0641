import { aggregating, defineJob, forEachSink, jsonLines, list, map, output, reducing, resource, value } from 'tidemark'
import {
  checkingSink,
  checkingSource,
  checkOutput,
  checkSoFar,
  lossProblem,
  outputFiles,
  type SimulatedJob,
} from './kit.ts'
import { type Item, makePartitions } from './records.ts'

interface Summary {
  readonly key: string
  readonly count: number
  readonly ids: string
}

/** One step with every kind of keyed state that checks itself, and three sinks of different kinds behind it. */
export const twoSinks: SimulatedJob = {
  name: 'two-sinks',
  create(world) {
    const partitions = makePartitions(world.random, { records: [5, 40] })
    const source = checkingSource(world, 'items', { partitions })
    const totals = checkingSink<Summary>(world, 'totals')
    const audit = outputFiles(world, '/output/audit')
    const called: string[] = []
    const client = resource('client', {
      async open() {
        await world.outside('opening the client', () => undefined)
        world.opened('client')
        return { call: (id: string) => void called.push(id) }
      },
      async close() {
        await world.outside('closing the client', () => undefined).catch(() => undefined)
        world.closed('client')
      },
      per: world.random.pick(['worker', 'task']),
    })
    const definition = defineJob('two-sinks', (job) => {
      const { summaries, ids } = job
        .source('items', source)
        .keyBy(({ key }) => key)
        .process('summarise', {
          state: {
            count: value(0),
            newest: value<string>(),
            all: list<string>(),
            byId: map<string, number>(),
            longest: reducing<number>((left, right) => Math.max(left, right)),
            total: aggregating({ create: () => 0, add: (sum: number, one: number) => sum + one, result: (sum) => sum }),
          },
          outputs: { summaries: output<Summary>(), ids: output<string>() },
          using: { client },
          onRecord(item: Item, { state, emit, use, key }) {
            world.disturb('process')
            use.client.call(item.id)
            const count = state.count.update((old) => old + 1)
            state.newest.set(item.id)
            state.all.push(item.id)
            state.byId.set(item.id, (state.byId.get(item.id) ?? 0) + 1)
            state.longest.add(count)
            state.total.add(1)
            const sizes = [state.all.size, state.longest.get(), state.total.get()]
            if (world.mode === 'exactly-once') sizes.push(state.byId.size)
            if (sizes.some((size) => size !== count)) {
              world.violate('state exactly once', `states of key ${key} differ: ${count} but ${sizes.join(' ')}`)
            }
            emit.summaries({ key, count, ids: [...state.all].toSorted().join(' ') })
            emit.ids(item.id)
          },
        })
      summaries.to('totals', totals.sink)
      ids.to('audit', jsonLines(audit.directory))
      ids.to(
        'calls',
        forEachSink<string>((id) => world.outside(`calling for ${id}`, () => void called.push(`sink ${id}`))),
      )
    })
    const expectedIds = partitions.flat().map(({ id }) => id)
    const auditIds = () => audit.lines().map((line) => JSON.parse(line) as string)
    return {
      definition,
      checkAtRest: () => checkSoFar(world, auditIds(), expectedIds),
      checkAtEnd(isTidy) {
        checkOutput(world, auditIds(), expectedIds)
        audit.checkResidue(isTidy)
        totals.store.checkAtEnd()
        const wanted = expectedIds.map((id) => `sink ${id}`)
        world.expectNone('at least once', lossProblem(new Set(called), wanted))
        if (world.mode !== 'exactly-once') return
        // The last summary of a key names each of its records once.
        for (const key of new Set(partitions.flat().map((item) => item.key))) {
          const mine = partitions.flat().filter((item) => item.key === key)
          const last = totals.store.visible.filter((summary) => summary.key === key && summary.count === mine.length)
          const ids = mine
            .map(({ id }) => id)
            .toSorted()
            .join(' ')
          if (last.length !== 1 || last[0]!.ids !== ids)
            world.violate('state exactly once', `key ${key} ends with ${JSON.stringify(last)}, not ${ids}`)
        }
      },
    }
  },
}
