import { describe, expect, it } from 'vitest'
import { MemoryFileSystem } from '../simulator/memory-file-system.ts'
import { SeededRandom } from '../simulator/seeded-random.ts'
import { BrokenRule, type RuleName, RULES } from './rules.ts'
import { checkSourceContract } from './source-contract.ts'
import { isBroken, type SourceMistake, ToyLog, type ToyRecord, toySource } from './testing/toy-source.ts'

const PARTITIONS = [25, 3, 0, 101]

async function check(seed: number, mistake: SourceMistake | null = null): Promise<readonly ToyRecord[]> {
  const log = new ToyLog(PARTITIONS)
  return checkSourceContract<ToyRecord>({
    create: () => toySource(log, { mistake }),
    files: new MemoryFileSystem(),
    random: new SeededRandom(seed),
    positions: 10,
    orderOf: ({ partition }) => String(partition),
    disturb: (how) => log.disturb(how),
    held: () => Array.from({ length: log.connections }, (_, index) => `connection ${index}`),
    fetched: () => log.fetched,
    mostAhead: 70,
    async discovery() {
      const growing = new ToyLog([2, 3])
      let [first, turn] = [true, 0]
      return {
        create: () => toySource(growing, { mistake, isDiscovering: true }),
        grow() {
          const before = [...growing.partitions]
          if (!first) {
            growing.partitions[turn % before.length]! += 5
            growing.partitions.push(4)
          }
          const from = first ? before.map(() => 0) : before
          ;[first, turn] = [false, turn + 1]
          return recordsOf(growing.partitions, from)
        },
      }
    },
  })
}

function recordsOf(partitions: readonly number[], from: readonly number[] = []): readonly ToyRecord[] {
  return partitions
    .flatMap((count, partition) => Array.from({ length: count }, (_, offset) => ({ partition, offset })))
    .filter((record) => record.offset >= (from[record.partition] ?? 0) && !isBroken(record))
}

const byPlace = (left: ToyRecord, right: ToyRecord) => left.partition - right.partition || left.offset - right.offset

async function caught(mistake: SourceMistake): Promise<BrokenRule> {
  // Moments are random: a few tries.
  for (let seed = 1; seed <= 5; seed++) {
    try {
      await check(seed, mistake)
    } catch (error) {
      if (error instanceof BrokenRule) return error
      throw error
    }
  }
  throw new Error('nothing was noticed')
}

const MISTAKES: Readonly<Record<SourceMistake, RuleName>> = {
  'moves its position when it fetches': 'positions are exact',
  'stores the position of the first poll': 'positions are exact',
  'moves its position in a snapshot': 'snapshot changes nothing',
  'forgets splits that came before the first poll': 'new input is found',
  'assigns splits again after a restore': 'positions are exact',
  'emits more than it is asked for': 'at most what is asked',
  'emits outside of poll': 'at most what is asked',
  'forgets to wake': 'wakes when there is work',
  'fetches without end': 'bounded while nothing moves',
  'skips what fails': 'no silent loss',
  'leaves its connection open': 'close releases',
  'leaves a timer behind': 'close releases',
  'rejects again after a restore': 'positions are exact',
  'reads in any order': 'order of the input',
  'tells one position for all': 'positions are told',
  'looks for input only once': 'new input is found',
  'discovers without remembering': 'new input is found',
  'acknowledges what it has emitted since': 'positions are exact',
}

describe('the contract kit for sources', () => {
  it('is content with a source that keeps it, and returns its records', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const records = await check(seed)
      expect([...records].sort(byPlace)).toEqual(recordsOf(PARTITIONS))
    }
  })

  it.each(Object.entries(MISTAKES))('notices a source that %s', async (mistake, rule) => {
    const error = await caught(mistake as SourceMistake)
    expect(error.rule).toBe(rule)
    expect(error.message).toContain(RULES[rule].why)
  })
})
