import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { checkSourceContract } from '../../testing/connector-contract/source-contract.ts'
import { SourceRun } from '../../testing/connector-contract/source-run.ts'
import { VirtualClock } from '../../testing/connector-contract/virtual-clock.ts'
import { MemoryFileSystem } from '../../testing/simulator/memory-file-system.ts'
import { SeededRandom } from '../../testing/simulator/seeded-random.ts'
import { readJsonLines, type ReadJsonLinesOptions } from './read-json-lines.ts'

const Order = z.object({ id: z.number(), shop: z.string() })

function disk(...records: readonly string[]): MemoryFileSystem {
  const files = new MemoryFileSystem()
  files.put('/orders.jsonl', records.join('\n'))
  return files
}

async function readAll<T>(files: MemoryFileSystem, options: ReadJsonLinesOptions<T> = {}): Promise<readonly T[]> {
  const source = readJsonLines<T>('/orders.jsonl', options)
  const run = await SourceRun.start({ source, parallelism: 1, clock: new VirtualClock(), files })
  await run.read(Infinity, 3)
  return run.records
}

const skipping = () => readJsonLines('/orders.jsonl', { schema: Order, onBadRecord: 'skip' })

describe('readJsonLines', () => {
  it('reads one record per line and skips empty lines', async () => {
    expect(await readAll(disk('{"id":1}', '', '[2,"é"]', 'null', '"x"\r'))).toEqual([{ id: 1 }, [2, 'é'], null, 'x'])
  })

  it('checks and converts records with a schema', async () => {
    const schema = Order.transform(({ id, shop }) => `${shop}/${id}`)
    expect(await readAll(disk('{"id":1,"shop":"a"}', '{"id":2,"shop":"b"}'), { schema })).toEqual(['a/1', 'b/2'])
  })

  it.each([
    ['is not JSON', '{"id":'],
    ['does not fit the schema: id: ', '{"id":"one","shop":"a"}'],
  ])('fails at a line that %s, naming file, byte and a piece of it', async (problem, line) => {
    const reading = readAll(disk('{"id":1,"shop":"é"}', line, '{"id":3,"shop":"c"}'), { schema: Order })
    await expect(reading).rejects.toMatchObject({
      code: 'CORRUPT_DATA',
      message: expect.stringContaining(problem) as string,
      context: { position: '/orders.jsonl byte 21', value: line },
    })
  })

  it('skips bad lines when told so, and keeps the positions of the others', async () => {
    const files = disk('{"id":1,"shop":"a"}', 'bad', '{"id":2,"shop":"b"}', '{}', '{"id":3,"shop":"c"}')
    const records = await checkSourceContract({ create: skipping, files, random: new SeededRandom(3) })
    expect(records.map(({ id }) => id)).toEqual([1, 2, 3])
    const run = await SourceRun.start({ source: skipping(), parallelism: 1, clock: new VirtualClock(), files })
    await run.settle()
    run.poll(0, 100)
    await run.settle()
    run.poll(0, 100)
    expect([0, 1, 2].map((index) => run.describePosition(0, index))).toEqual([
      '/orders.jsonl byte 0',
      '/orders.jsonl byte 24',
      '/orders.jsonl byte 47',
    ])
  })

  it('refuses a schema that validates asynchronously', async () => {
    const schema = Order.refine(async () => true)
    await expect(readAll(disk('{"id":1,"shop":"a"}'), { schema })).rejects.toThrow('asynchronously')
  })
})
