import { type DeadLetter, defineJob, jsonLines, list, output } from 'tidemark'
import { checkingSink, checkingSource, checkOutput, checkSoFar, outputFiles, type SimulatedJob } from './kit.ts'
import { type Item, makePartitions } from './records.ts'

const isBad = ({ sequence }: Item): boolean => sequence % 4 === 3

/** State of tasks without keys, handed out in the end; records that cannot be processed go to a sink of their own. */
export const listState: SimulatedJob = {
  name: 'list-state',
  create(world) {
    const partitions = makePartitions(world.random, { records: [5, 40] })
    const source = checkingSource(world, 'items', { partitions })
    const kept = checkingSink<string>(world, 'kept')
    const letters = outputFiles(world, '/output/letters')
    const definition = defineJob('list-state', (job) => {
      const { out } = job
        .source('items', source)
        .rebalance()
        .map(
          (item) => {
            if (isBad(item)) throw new Error(`cannot process ${item.id}`)
            return item
          },
          { name: 'check', onError: { name: 'letters', deadLetters: jsonLines<DeadLetter<Item>>(letters.directory) } },
        )
        .process('keep', {
          state: { ids: list<string>() },
          outputs: { out: output<string>() },
          onRecord(item: Item, { state }) {
            world.disturb('keep')
            state.ids.push(item.id)
          },
          onEnd({ state, emit }) {
            for (const id of state.ids) emit.out(id)
          },
        })
      out.to('kept', kept.sink)
    })
    const good = partitions.flat().flatMap((item) => (isBad(item) ? [] : [item.id]))
    const bad = partitions.flat().flatMap((item) => (isBad(item) ? [item.id] : []))
    const lettersNow = () => letters.lines().map((line) => (JSON.parse(line) as DeadLetter<Item>).value.id)
    return {
      definition,
      checkAtRest() {
        checkSoFar(world, kept.store.visible, good)
        checkSoFar(world, lettersNow(), bad)
      },
      checkAtEnd(isTidy) {
        checkOutput(world, kept.store.visible, good)
        checkOutput(world, lettersNow(), bad)
        kept.store.checkAtEnd()
        letters.checkResidue(isTidy)
      },
    }
  },
}
