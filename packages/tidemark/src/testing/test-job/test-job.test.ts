import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import {
  connect,
  defineJob,
  fromArray,
  jsonLines,
  lines,
  list,
  output,
  resource,
  value,
  type DeadLetter,
  type Source,
} from '../../index.ts'
import { isTidemarkError, type TidemarkError } from '../../core/errors.ts'
import type { OutputProbe, SourceProbe } from './contract.ts'
import { testJob } from './test-job.ts'

interface Order {
  readonly shop: string
  readonly amount: number
}

const orders: Source<Order> = fromArray<Order>([{ shop: 'never', amount: 0 }])

const revenue = defineJob('revenue', (job) => {
  const source = job.source('orders', orders)
  const totals = source.keyBy('shop').scan(
    'revenue',
    () => 0,
    (total, order) => total + order.amount,
  )
  totals.to('out', jsonLines('/nowhere/out'))
  return { orders: source, totals, byShop: source.keyBy('shop') }
})

/** For outputs of several tasks, whose order between tasks means nothing. */
function sorted(records: readonly unknown[]): readonly unknown[] {
  return records.toSorted((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1))
}

async function failureOf(action: Promise<unknown>): Promise<TidemarkError> {
  try {
    await action
  } catch (error) {
    if (isTidemarkError(error)) return error
    throw error
  }
  throw new Error('nothing failed')
}

describe('testJob', () => {
  it('feeds the job what is pushed and shows what comes out of each port, once settled', async () => {
    await using run = await testJob(revenue)
    run.at.orders.push({ shop: 'a', amount: 5 }, { shop: 'b', amount: 1 })
    run.at.orders.push({ shop: 'a', amount: 2 })
    expect(run.at.totals.records).toEqual([])
    await run.settle()
    expect(run.at.totals.records).toEqual([
      ['a', 5],
      ['b', 1],
      ['a', 7],
    ])
    expect(run.at.byShop.records).toHaveLength(3)
    expect(run.sink('out').records).toEqual(run.at.totals.records)
  })

  it('types probes by what the build function returned', async () => {
    await using run = await testJob(revenue)
    expectTypeOf(run.at.orders).toEqualTypeOf<SourceProbe<Order>>()
    expectTypeOf(run.at.totals.records).toEqualTypeOf<readonly (readonly [string, number])[]>()
    expectTypeOf(run.at.byShop).toEqualTypeOf<OutputProbe<Order>>()
    expectTypeOf(run.at).not.toHaveProperty('others')
    expectTypeOf(run.at.totals).not.toHaveProperty('push')
  })

  it('goes on from the newest checkpoint after a crash, and shows every record once', async () => {
    await using run = await testJob(revenue)
    run.at.orders.push({ shop: 'a', amount: 1 })
    await run.crash()
    run.at.orders.push({ shop: 'a', amount: 2 })
    await run.checkpoint()
    run.at.orders.push({ shop: 'a', amount: 3 })
    await run.crash()
    await run.crash()
    await run.settle()
    expect(run.at.totals.records).toEqual([
      ['a', 1],
      ['a', 3],
      ['a', 6],
    ])
  })

  it('finds state that a job keeps outside of what it declares', async () => {
    let seen = 0
    const wrong = defineJob('wrong', (job) => {
      const numbers = job.source('numbers', fromArray<number>([]))
      return { numbers, counts: numbers.map(() => ++seen) }
    })
    await using run = await testJob(wrong)
    run.at.numbers.push(10, 20)
    await run.crash()
    await run.settle()
    expect(run.at.counts.records).toEqual([3, 4])
  })

  it('hands out records once by take', async () => {
    await using run = await testJob(revenue)
    run.at.orders.push({ shop: 'a', amount: 1 })
    await run.settle()
    expect(run.at.totals.take()).toEqual([['a', 1]])
    expect(run.at.totals.records).toEqual([])
    run.at.orders.push({ shop: 'a', amount: 1 })
    await run.crash()
    await run.settle()
    expect(run.at.totals.take()).toEqual([['a', 2]])
  })

  it.each([1, 2, 3, 4])('is exact and deterministic at parallelism %i', async (parallelism) => {
    const collected = []
    for (let repetition = 0; repetition < 2; repetition++) {
      await using run = await testJob(revenue, { parallelism })
      for (let index = 0; index < 20; index++) run.at.orders.push({ shop: 'abcde'[index % 5]!, amount: 1 })
      await run.checkpoint()
      for (let index = 0; index < 20; index++) run.at.orders.push({ shop: 'abcde'[index % 5]!, amount: 1 })
      await run.crash()
      await run.settle()
      collected.push(run.at.totals.records)
    }
    expect(collected[1]).toEqual(collected[0])
    const expected = ['a', 'b', 'c', 'd', 'e'].flatMap((shop) => [1, 2, 3, 4, 5, 6, 7, 8].map((total) => [shop, total]))
    expect(sorted(collected[0]!)).toEqual(sorted(expected))
  })

  it('finishes when all sources have ended: operators emit their last', async () => {
    const batches = defineJob('batches', (job) => {
      const words = job.source('words', lines('nowhere/*.txt'))
      const { batch } = words.process('batch', {
        state: { waiting: list<string>() },
        outputs: { batch: output<readonly string[]>() },
        onRecord: (word, { state }) => state.waiting.push(word),
        onEnd({ state, emit }) {
          emit.batch([...state.waiting])
        },
      })
      return { words, batch }
    })
    await using run = await testJob(batches)
    run.at.words.push('a')
    await run.checkpoint()
    run.at.words.push('b')
    await run.crash()
    run.at.words.end()
    await run.settle()
    expect(run.status).toBe('finished')
    expect(run.at.batch.records).toEqual([['a', 'b']])
    expect(() => run.at.words.push('c')).toThrow(/has ended/)
    expect((await failureOf(run.crash())).message).toMatch(/finished/)
  })

  it('reaches sources and sinks that are not returned by their names', async () => {
    const silent = defineJob('silent', (job) => {
      const left = job.source('left', fromArray<number>([]))
      const right = job.source('right', fromArray<number>([]))
      left.union(right).to('out', jsonLines('/nowhere'))
    })
    await using run = await testJob(silent)
    run.source('left').push(1)
    run.source('right').push(2)
    await run.finish()
    expect(sorted(run.sink('out').records)).toEqual([1, 2])
    expect(() => run.source('middle')).toThrow(/no source 'middle'/)
    expect(() => run.sink('middle').records).toThrow(/no sink 'middle'/)
  })

  it('shows dead letters with the position of the record', async () => {
    const parse = defineJob('parse', (job) => {
      const texts = job.source('texts', lines('nowhere'))
      const parsed = texts.map((text) => JSON.parse(text) as number, {
        onError: { deadLetters: jsonLines('/nowhere'), name: 'dead' },
      })
      return { texts, parsed }
    })
    await using run = await testJob(parse)
    run.at.texts.push('1', '{', '3')
    await run.crash()
    await run.settle()
    expect(run.at.parsed.records).toEqual([1, 3])
    const [letter, ...others] = run.sink('dead').records as readonly DeadLetter[]
    expect(letter).toMatchObject({ operator: 'map-1', position: 'record 1 pushed', value: '{' })
    expect(others).toEqual([])
    expect(run.metrics().operators.find(({ operator }) => operator === 'map-1')?.deadLetters).toBe(1)
  })
})

describe('testJob with parameters, resources and secrets', () => {
  interface Risk {
    score(shop: string): number
  }
  const events: string[] = []
  const risk = resource<Risk>('risk', {
    open(context) {
      events.push(`open ${context.secret('RISK_URL')}`)
      return { score: () => 0 }
    },
    close: () => void events.push('close'),
  })
  const scored = defineJob({
    name: 'scored',
    params: z.object({ limit: z.number() }),
    build(job, { limit }) {
      const source = job.source('orders', orders)
      const { high } = source.keyBy('shop').process('score', {
        using: { client: risk },
        state: { alerts: value(0) },
        outputs: { high: output<string>() },
        onRecord(order, { use, emit, state, key }) {
          if (use.client.score(order.shop) > limit) emit.high(`${key} ${state.alerts.update((count) => count + 1)}`)
        },
      })
      return { orders: source, high }
    },
  })

  it('replaces resources by name and checks parameters', async () => {
    await using run = await testJob(scored, { params: { limit: 3 }, use: { risk: { score: () => 4 } satisfies Risk } })
    run.at.orders.push({ shop: 'a', amount: 1 })
    await run.crash()
    await run.settle()
    expect(run.at.high.records).toEqual(['a 1'])
    expect(events).toEqual([])
    const error = await failureOf(testJob(scored, { params: { limit: 'x' as unknown as number } }))
    expect(error.code).toBe('INVALID_PARAMS')
  })

  it('opens what is not replaced with the secrets it is given, and closes it', async () => {
    {
      await using run = await testJob(scored, { params: { limit: 3 }, secrets: { RISK_URL: 'risk://' } })
      run.at.orders.push({ shop: 'a', amount: 1 })
      await run.settle()
      expect(run.at.high.records).toEqual([])
    }
    expect(events.splice(0)).toEqual(['open risk://', 'close'])
    const error = await failureOf(testJob(scored, { params: { limit: 3 } }))
    expect(error.code).toBe('SECRET_MISSING')
  })

  it('refuses fakes for resources that the job does not have', async () => {
    const error = await failureOf(testJob(scored, { params: { limit: 3 }, use: { riks: {} } }))
    expect(error).toMatchObject({ code: 'INVALID_OPTION', action: "Its resources are 'risk'." })
  })
})

describe('a job that fails in testJob', () => {
  const picky = defineJob('picky', (job) => {
    const numbers = job.source('numbers', fromArray<number>([]))
    const doubled = numbers.map((number) => {
      if (number === 13) throw new RangeError('thirteen')
      return number * 2
    })
    return { numbers, doubled }
  })

  it('says what, where and on which record from the next call, and from every one after it', async () => {
    const run = await testJob(picky)
    run.at.numbers.push(1, 13)
    const error = await failureOf(run.settle())
    expect(error).toMatchObject({
      code: 'USER_FUNCTION',
      context: { job: 'picky', operator: 'map-1', position: 'record 1 pushed', value: '13' },
    })
    expect(error.cause).toMatchObject({ message: 'thirteen' })
    expect(await failureOf(run.crash())).toBe(error)
    expect(run.status).toBe('failed')
    await run[Symbol.asyncDispose]()
  })

  it('is not overlooked when the test ends without another call', async () => {
    const run = await testJob(picky)
    run.at.numbers.push(13)
    expect((await failureOf(run[Symbol.asyncDispose]())).code).toBe('USER_FUNCTION')
    await run[Symbol.asyncDispose]()
  })

  it('finds records that are changed after they were emitted', async () => {
    const changing = defineJob('changing', (job) => {
      const source = job.source('orders', fromArray<{ total: number }>([]))
      const changed = source.map((order) => {
        order.total += 1
        return order
      })
      return { source, changed }
    })
    const run = await testJob(changing)
    run.at.source.push({ total: 1 })
    expect(await failureOf(run.settle())).toMatchObject({ code: 'USER_FUNCTION', context: { operator: 'map-1' } })
    await run[Symbol.asyncDispose]()
  })

  it('refuses what could not be stored or sent, with operator, path and position', async () => {
    const odd = defineJob('odd', (job) => {
      const numbers = job.source('numbers', fromArray<number>([]))
      return { numbers, odd: numbers.map((number) => ({ list: [number, () => number] })) }
    })
    const run = await testJob(odd)
    run.at.numbers.push(7)
    expect(await failureOf(run.settle())).toMatchObject({
      code: 'NOT_ENCODABLE',
      context: {
        operator: 'map-1',
        path: '$.list[1]',
        position: 'record 0 pushed',
        value: expect.any(String) as string,
      },
    })
    await run[Symbol.asyncDispose]()
    const source = await testJob(picky)
    source.at.numbers.push(Symbol('no') as unknown as number)
    expect(await failureOf(source.settle())).toMatchObject({ code: 'NOT_ENCODABLE', context: { operator: 'numbers' } })
    await source[Symbol.asyncDispose]()
  })

  it('is refused when it is no job', async () => {
    expect((await failureOf(testJob({} as typeof picky))).code).toBe('INVALID_JOB')
  })

  it('fails where build fails', async () => {
    const twice = defineJob('twice', (job) => {
      job.source('a', fromArray([1]))
      job.source('a', fromArray([1]))
    })
    expect((await failureOf(testJob(twice))).message).toMatch(/two steps have the name 'a'/)
  })
})

describe('a source with dead letters in testJob', () => {
  it('shows what was rejected once, also with a crash in between', async () => {
    const reading = defineJob('reading', (job) => {
      const read = job.source('orders', { ...orders, deadLetters: jsonLines<{ text: string }>('/nowhere') })
      return { orders: read, amounts: read.map(({ amount }) => amount) }
    })
    await using run = await testJob(reading)
    run.at.orders.push({ shop: 'a', amount: 1 })
    run.at.orders.reject({ text: '{' })
    await run.crash()
    run.at.orders.push({ shop: 'a', amount: 2 })
    await run.settle()
    expect(run.at.amounts.records).toEqual([1, 2])
    expect(run.sink('orders.dead-letters').records).toEqual([{ text: '{' }])
    expect(run.metrics().operators.find(({ operator }) => operator === 'orders')?.deadLetters).toBe(1)
  })

  it('counts what is rejected as skipped where there is no sink for it', async () => {
    await using run = await testJob(revenue)
    run.source('orders').reject('{')
    await run.settle()
    expect(run.metrics().operators.find(({ operator }) => operator === 'orders')?.skipped).toBe(1)
  })
})

describe('connect in testJob', () => {
  it('keeps both inputs of a key together', async () => {
    const matching = defineJob('matching', (job) => {
      const left = job.source('left', fromArray<{ id: string; n: number }>([]))
      const right = job.source('right', fromArray<{ of: string; n: number }>([]))
      const { sums } = connect({ left: left.keyBy('id'), right: right.keyBy('of') }).process('match', {
        state: { sum: value(0) },
        outputs: { sums: output<readonly [string, number]>() },
        on: {
          left: ({ n }, { key, state, emit }) => emit.sums([key, state.sum.update((sum) => sum + n)]),
          right: ({ n }, { key, state, emit }) => emit.sums([key, state.sum.update((sum) => sum + n)]),
        },
      })
      return { left, right, sums }
    })
    await using run = await testJob(matching, { parallelism: 2 })
    run.at.left.push({ id: 'a', n: 1 }, { id: 'b', n: 10 })
    await run.checkpoint()
    run.at.right.push({ of: 'a', n: 2 })
    await run.crash()
    run.at.left.push({ id: 'a', n: 4 })
    await run.finish()
    expect(sorted(run.at.sums.records)).toEqual([
      ['a', 1],
      ['a', 3],
      ['a', 7],
      ['b', 10],
    ])
  })
})
