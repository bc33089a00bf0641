import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../api/define-job.ts'
import { argumentsAsAssignments, readAssignment, readParameters } from './parameters.ts'

const empty = () => {}

async function parametersOf(params: z.ZodType, ...settings: readonly string[]): Promise<unknown> {
  return readParameters(defineJob({ name: 'a-job', params, build: empty }), settings.map(readAssignment))
}

describe('parameters', () => {
  test.each([
    [z.object({ n: z.number() }), ['n=5'], { n: 5 }],
    [z.object({ n: z.string() }), ['n=5'], { n: '5' }],
    [z.object({ id: z.string(), limit: z.number() }), ['id=123', 'limit=5'], { id: '123', limit: 5 }],
    [z.object({ on: z.boolean(), off: z.string() }), ['on=true', 'off=true'], { on: true, off: 'true' }],
    [z.object({ list: z.array(z.number()) }), ['list=[1,2]'], { list: [1, 2] }],
    [z.object({ text: z.string() }), ['text={not json'], { text: '{not json' }],
    [z.object({ text: z.string() }), ['text="quoted"'], { text: 'quoted' }],
    [z.object({ id: z.string() }), ['id=12345678901234567890'], { id: '12345678901234567890' }],
    [z.object({ a: z.object({ b: z.number(), c: z.string() }) }), ['a.b=1', 'a.c=x'], { a: { b: 1, c: 'x' } }],
    [z.object({ n: z.number() }), ['n=1', 'n=2'], { n: 2 }],
    [z.object({ empty: z.string() }), ['empty='], { empty: '' }],
  ])('are read as the schema wants them', async (schema, settings, expected) => {
    expect(await parametersOf(schema, ...settings)).toEqual(expected)
  })

  test('are read as JSON when no reading fits, so that the error is about that', async () => {
    expect(await parametersOf(z.object({ n: z.boolean() }), 'n=5')).toEqual({ n: 5 })
  })

  test('find the one right reading among many texts that are JSON too', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }), async (areNumbers) => {
        const shape = Object.fromEntries(
          areNumbers.map((isNumber, index) => [`p${index}`, isNumber ? z.number() : z.string()]),
        )
        const settings = areNumbers.map((_, index) => `p${index}=${index}`)
        const expected = Object.fromEntries(
          areNumbers.map((isNumber, index) => [`p${index}`, isNumber ? index : String(index)]),
        )
        expect(await parametersOf(z.object(shape), ...settings)).toEqual(expected)
      }),
      { numRuns: 50 },
    )
  })

  test('have the fewest plain texts of all readings that fit', async () => {
    const [text, number] = [z.string(), z.number()]
    const schema = z.union([z.object({ a: text, b: text, c: number }), z.object({ a: number, b: number, c: text })])
    expect(await parametersOf(schema, 'a=1', 'b=2', 'c=3')).toEqual({ a: 1, b: 2, c: '3' })
  })

  test('cannot be one value and a group at once', async () => {
    await expect(parametersOf(z.any(), 'a=1', 'a.b=2')).rejects.toThrow(/a\.b is given both/)
    await expect(parametersOf(z.any(), 'a.b=2', 'a={"c":1}')).rejects.toThrow(/a is given both/)
  })
})

describe('arguments of the job', () => {
  test.each([
    [['--input', 'books/*.txt', '--output=out'], { input: 'books/*.txt', output: 'out' }],
    [
      ['--max-size', '-5', '--dry-run', '--limits.per-shop=3'],
      { maxSize: '-5', dryRun: 'true', 'limits.perShop': '3' },
    ],
    [['positional', '-v', '--last'], { last: 'true' }],
    [['--a=1=2', '--', '--b', '3'], { a: '1=2' }],
    [['--a='], { a: '' }],
  ])('read as parameters: %j', (argv, expected) => {
    const read = argumentsAsAssignments(argv).map(({ path, text }) => [path.join('.'), text])
    expect(Object.fromEntries(read)).toEqual(expected)
  })
})
