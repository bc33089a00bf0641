import { describe, expect, it } from 'vitest'
import { SINK, type Sink } from '../../core/sink.ts'
import { MemoryFileSystem } from '../simulator/memory-file-system.ts'
import { BrokenRule, type RuleName, RULES } from './rules.ts'
import { checkSinkContract } from './sink-contract.ts'
import { isRefusal, Ledger, withTimeout } from './testing/toy-ledger.ts'
import { type SinkMistake, toySink } from './testing/toy-sink.ts'

function check(create: (ledger: Ledger<string>) => Sink<string>): Promise<readonly string[]> {
  return checkSinkContract<string>({
    environment: async () => {
      const ledger = new Ledger<string>()
      return {
        create: () => create(ledger),
        files: new MemoryFileSystem(),
        committed: async () => ledger.committed,
        leftovers: async () => [...ledger.transactions.keys()],
        disturb: (how) => ledger.disturb(how),
        held: () => Array.from({ length: ledger.connections }, (_, index) => `connection ${index}`),
      }
    },
    record: (index) => `record ${index}`,
    keepsOrder: true,
    mostWaiting: 100,
  })
}

/** The sink breaks the contract; the rule by which it is caught. */
async function caught(create: (ledger: Ledger<string>) => Sink<string>): Promise<BrokenRule> {
  try {
    await check(create)
  } catch (error) {
    if (error instanceof BrokenRule) return error
    throw error
  }
  throw new Error('nothing was noticed')
}

const MISTAKES: Readonly<Record<SinkMistake, RuleName>> = {
  'writes outside of the transaction': 'hidden until commit',
  'says committed and does nothing': 'visible by commit',
  'commits only the first': 'commit tells the truth',
  'commits twice': 'visible by commit',
  'says lost for what was committed before': 'commit is idempotent',
  'says lost for what failed': 'commit tells the truth',
  'says committed for what failed': 'commit tells the truth',
  'puts a date into the committable': 'committables are plain JSON',
  'names transactions without the attempt': 'names are never used twice',
  'names transactions without the epoch': 'names are never used twice',
  'prepares empty transactions': 'nothing for an empty transaction',
  'switches the transaction after the flush': 'the barrier divides',
  'acknowledges before the flush': 'durable before acknowledged',
  'aborts only what is not prepared': 'others are aborted',
  'aborts only those of two subtasks': 'others are aborted',
  'aborts nothing': 'others are aborted',
  'takes without end': 'bounded while nothing moves',
  'forgets to wake': 'wakes when there is work',
  'drops what fails': 'no silent loss',
  'waits for ever': 'everything settles',
  'leaves its connection open': 'close releases',
  'leaves a timer behind': 'close releases',
  'writes in any order': 'order of a writer',
}

describe('the contract kit for transactional sinks', () => {
  it('is content with a sink that keeps it, and plays every scenario', async () => {
    const played = await check((ledger) => toySink(ledger))
    expect(played.length).toBeGreaterThanOrEqual(20)
  })

  it.each(Object.entries(MISTAKES))('notices a sink that %s', async (mistake, rule) => {
    const error = await caught((ledger) => toySink(ledger, mistake as SinkMistake))
    expect(error.rule).toBe(rule)
    expect(error.message).toContain(RULES[rule].rule)
    expect(error.message).toContain(RULES[rule].why)
  })

  it('leaves out what the environment cannot do', async () => {
    const played = await checkSinkContract<number>({
      environment: async () => {
        const ledger = new Ledger<number>()
        return {
          create: () => toySink(ledger),
          files: new MemoryFileSystem(),
          committed: async () => ledger.committed,
          leftovers: async () => [...ledger.transactions.keys()],
        }
      },
      record: (index) => index,
    })
    expect(played.filter((name) => /stalls|fails|answer/.test(name))).toEqual([])
  })
})

type PlainMistake = 'acknowledges before the write' | 'drops what fails' | 'takes without end'

/** A sink without transactions, as it should be or with a mistake. */
function plainSink(ledger: Ledger<string>, mistake: PlainMistake | null = null): Sink<string, 'at-least-once'> {
  return {
    [SINK]: {},
    kind: 'plain',
    delivery: 'at-least-once',
    createWriter({ clock, wake, fail }) {
      let sending: Promise<void> | null = null
      const send = async (records: readonly string[]): Promise<void> => {
        try {
          const answer = ledger.call(() => void ledger.committed.push(...records))
          await withTimeout(clock, answer, 1000)
        } catch (error) {
          if (mistake !== 'drops what fails' || !isRefusal(error)) throw error
        }
      }
      return {
        write(values, from, to) {
          if (sending !== null && mistake !== 'takes without end') return from
          const end = mistake === 'takes without end' ? to : Math.min(to, from + 50)
          const mine = Promise.all([sending, send(values.slice(from, end))]).then(() => {
            if (sending === mine) sending = null
            wake()
          })
          sending = mine
          mine.catch(fail)
          return end
        },
        async prepareCommit() {
          if (mistake !== 'acknowledges before the write') await sending
          return []
        },
      }
    },
  }
}

describe('the contract kit for sinks without transactions', () => {
  it('is content with a sink that keeps it', async () => {
    const played = await check((ledger) => plainSink(ledger))
    expect(played.length).toBeGreaterThanOrEqual(6)
  })

  it.each<[PlainMistake, RuleName]>([
    ['acknowledges before the write', 'durable before acknowledged'],
    ['drops what fails', 'no silent loss'],
    ['takes without end', 'bounded while nothing moves'],
  ])('notices a sink that %s', async (mistake, rule) => {
    expect((await caught((ledger) => plainSink(ledger, mistake))).rule).toBe(rule)
  })
})
