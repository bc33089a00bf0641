import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Source } from '../core/source.ts'
import { checkSourceContract } from '../testing/connector-contract/source-contract.ts'
import { SourceRun } from '../testing/connector-contract/source-run.ts'
import { VirtualClock } from '../testing/connector-contract/virtual-clock.ts'
import { MemoryFileSystem } from '../testing/simulator/memory-file-system.ts'
import { SeededRandom } from '../testing/simulator/seeded-random.ts'
import { fromArray, fromIterable } from './from-iterable.ts'
import { generate } from './generate.ts'

const files = new MemoryFileSystem()

function begin<T>(source: Source<T>, parallelism = 1, clock = new VirtualClock()): Promise<SourceRun<T>> {
  return SourceRun.start({ source, parallelism, clock, files })
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

function* sync(after: number | undefined) {
  for (let id = (after ?? 0) + 1; id <= 40; id++) yield { id }
}

async function* async(after: number | undefined) {
  for (let id = (after ?? 0) + 1; id <= 40; id++) {
    if (id % 7 === 0) await turn()
    yield { id }
  }
}

describe('fromIterable', () => {
  it.each([
    ['a synchronous', sync],
    ['an asynchronous', async],
  ])('replays %s iterable exactly, given the position of a record', async (_, factory) => {
    for (let seed = 0; seed < 5; seed++) {
      const create = () => fromIterable(factory, { position: (record) => record.id, capacity: 5 })
      const records = await checkSourceContract({ create, files, random: new SeededRandom(seed) })
      expect(records.map(({ id }) => id)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1))
    }
  })

  it('says by its type that without a position records are lost on a restart', () => {
    expect(fromIterable(() => [1]).replay).toBe('none')
    expect(fromIterable(() => [1], { position: (record) => record }).replay).toBe('exact')
  })

  it('fetches an asynchronous iterable ahead no further than its capacity', async () => {
    let pulled = 0
    const endless = async function* () {
      for (;;) yield pulled++
    }
    const run = await begin(fromIterable(endless, { capacity: 10, isBounded: false }))
    await run.read(3, 3)
    for (let turns = 0; turns < 20; turns++) await turn()
    expect(pulled).toBeLessThanOrEqual(3 + 10 + 1)
    await run.close()
  })

  it('closes an iterator that has not ended, and opens none where there is nothing to read', async () => {
    let opened = 0
    let closed = 0
    const factory = function* () {
      opened++
      try {
        for (;;) yield 1
      } finally {
        closed++
      }
    }
    const run = await begin(fromIterable(factory), 3)
    await run.read(5, 2)
    await run.close()
    expect([opened, closed]).toEqual([1, 1])
  })

  it.each([
    [
      'synchronous',
      function* () {
        yield 1
        throw new Error('gone')
      },
    ],
    [
      'asynchronous',
      async function* () {
        yield 1
        throw new Error('gone')
      },
    ],
  ])('fails with the cause when a %s iterable throws', async (_, factory) => {
    const run = await begin(fromIterable(factory as () => Iterable<number>))
    await expect(run.read(Infinity, 1)).rejects.toMatchObject({ code: 'SOURCE_FAILED', cause: { message: 'gone' } })
  })

  it('does not begin again once it has ended', async () => {
    let calls = 0
    const source = fromIterable(() => {
      calls++
      return [1, 2]
    })
    const run = await begin(source)
    await run.read(Infinity, 5)
    const again = await SourceRun.start({
      source,
      parallelism: 1,
      clock: new VirtualClock(),
      files,
      restored: run.snapshot(),
    })
    await again.read(Infinity, 5)
    expect([again.records, calls]).toEqual([[], 1])
  })
})

describe('fromArray', () => {
  it('replays by index', async () => {
    const records = ['a', 'b', 'a', undefined, null, 'c']
    const create = () => fromArray(records)
    expect(await checkSourceContract({ create, files, random: new SeededRandom(1) })).toEqual(records)
    const run = await begin(create())
    await run.settle()
    run.poll(0, 2)
    run.poll(0, 2)
    expect(run.describePosition(0, 1)).toBe('record 3')
  })
})

describe('generate', () => {
  it('makes every index once, from every position and with any number of splits and tasks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(30), fc.integer({ min: 1, max: 5 }), fc.nat(), async (count, splits, seed) => {
        const create = () => generate({ count, splits, create: (index) => index })
        const records = await checkSourceContract({ create, files, random: new SeededRandom(seed), positions: 8 })
        expect([...records].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index))
      }),
      { numRuns: 60 },
    )
  })

  it('keeps its rate over all tasks, by the clock it is given', async () => {
    for (const [rate, parallelism] of [
      [10, 1],
      [10, 3],
      [5000, 2],
    ] as const) {
      const clock = new VirtualClock()
      const run = await begin(generate({ rate, create: (index) => index }), parallelism, clock)
      await run.read(rate * 4, 1000)
      // The first record of each task is free, and up to a tenth of a second may be caught up.
      expect(clock.monotonic()).toBeGreaterThan(3500)
      expect(clock.monotonic()).toBeLessThan(4600)
      await run.close()
    }
  })

  it('names the index of a record', async () => {
    const run = await begin(generate({ count: 10, create: (index) => `r${index}` }))
    await run.settle()
    run.poll(0, 3)
    run.poll(0, 3)
    expect(run.describePosition(0, 2)).toBe('record 5')
  })

  it('refuses counts and rates that are none', () => {
    expect(() => generate({ count: -1, create: (index) => index })).toThrow('count of generate() is -1')
    expect(() => generate({ rate: 0, create: (index) => index })).toThrow('rate of generate() is 0')
  })
})
