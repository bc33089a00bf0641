import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { isTidemarkError, type TidemarkError } from '../core/errors.ts'
import { JOB } from '../core/job.ts'
import { type Sink, SINK } from '../core/sink.ts'
import { type Source, SOURCE } from '../core/source.ts'
import { topologyHash } from '../core/topology-hash.ts'
import { defineJob } from './define-job.ts'
import { output } from './output.ts'
import { resource } from './resource.ts'
import { value } from './state.ts'

const never = (): never => {
  throw new Error('a build starts nothing')
}
const numbers: Source<number> = {
  [SOURCE]: {},
  kind: 'numbers',
  isBounded: true,
  replay: 'exact',
  describe: { from: 1 },
  createEnumerator: never,
  createReader: never,
}
const sink: Sink<unknown> = { [SINK]: {}, kind: 'nowhere', delivery: 'at-least-once', createWriter: never }

/** What plain JavaScript may pass. */
const untyped = defineJob as unknown as (...args: readonly unknown[]) => ReturnType<typeof defineJob>

function errorOf(action: () => unknown): TidemarkError {
  try {
    action()
  } catch (error) {
    if (isTidemarkError(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const database = () => resource('db', { open: never })

async function rejection(promise: Promise<unknown>): Promise<TidemarkError> {
  return promise.then(never, (error: unknown) => error as TidemarkError)
}

describe('defineJob', () => {
  test('gives a marked definition and does not call build', () => {
    const job = defineJob('idle', never)
    expect(job.name).toBe('idle')
    expect(JOB in job).toBe(true)
  })

  test('adds a sink step for the dead letters of a source, under a name of its own', () => {
    const build = (source: Source<number>) =>
      defineJob('read', (job) => job.source('n', source).to('out', sink)).build(undefined)
    const { plan } = build({ ...numbers, deadLetters: sink })
    expect(plan.operators.map(({ id, kind, outputs }) => [id, kind, outputs])).toEqual([
      ['n', 'source', ['out', 'dead-letters']],
      ['n.dead-letters', 'sink', []],
      ['out', 'sink', []],
    ])
    expect(plan.edges).toContainEqual({
      from: { operator: 'n', output: 1 },
      to: { operator: 'n.dead-letters', input: 0 },
      partitioning: 'forward',
    })
    expect(topologyHash(plan)).not.toBe(topologyHash(build(numbers).plan))
    const broken = { ...numbers, deadLetters: {} } as unknown as Source<number>
    expect(errorOf(() => build(broken)).message).toMatch(/the dead-letter sink of source 'n' is not a sink/)
  })

  test('builds a plan that is plain, versioned JSON', () => {
    const { plan } = defineJob('plain', (job) =>
      job
        .source('n', numbers)
        .map((n) => n + 1)
        .to('out', sink),
    ).build(undefined)
    expect(plan.version).toBe(1)
    expect(plan.job).toBe('plain')
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan)
    expect(plan.operators.map(({ id, kind, connector, isNamed }) => [id, kind, connector, isNamed])).toEqual([
      ['n', 'source', 'numbers', true],
      ['map-1', 'map', undefined, false],
      ['out', 'sink', 'nowhere', true],
    ])
    expect(plan.operators[0]?.describe).toEqual({ from: 1 })
  })

  test('builds the same plan every time', () => {
    const job = defineJob('twice', (builder) => {
      const source = builder.source('n', numbers)
      const { big } = source
        .keyBy((n) => n % 2)
        .process('p', { state: { seen: value(0) }, outputs: { big: output<number>() }, onRecord() {} })
      source.union(big.map((n) => n)).print()
      return { source, big }
    })
    const [first, second] = [job.build(undefined), job.build(undefined)]
    expect(second.plan).toEqual(first.plan)
    expect(second.ports).toEqual(first.ports)
    expect(topologyHash(second.plan)).toBe(topologyHash(first.plan))
  })

  test('gives the same plan wherever its steps were defined, and reads no stack for it', () => {
    let stacksRead = 0
    const former = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace')
    Error.prepareStackTrace = () => `${++stacksRead}`
    try {
      const plans = [1, 2].map(
        () =>
          defineJob('places', (job) => {
            const n = job.source('n', numbers)
            n.map(String).print()
          }).build(undefined).plan,
      )
      expect(plans[0]).toEqual(plans[1])
      // The engine would look each place up in a source map, which takes tens of milliseconds.
      expect(stacksRead).toBe(0)
    } finally {
      Reflect.deleteProperty(Error, 'prepareStackTrace')
      if (former !== undefined) Object.defineProperty(Error, 'prepareStackTrace', former)
    }
  })

  test.each([
    ['no name', () => untyped('', never), /a job has no name/],
    ['a name with a slash', () => untyped('a/b', never), /cannot be used/],
    ['a name that is a directory', () => untyped('..', never), /cannot be used/],
    ['no build function', () => untyped('x'), /build of job 'x' is not a function: got undefined/],
    ['an unknown option', () => untyped({ name: 'x', build: never, parms: {} }), /is "parms"/],
    ['params that are no schema', () => untyped({ name: 'x', build: never, params: {} }), /is not a schema/],
    ['neither name nor options', () => untyped(42), /is not an object: got 42/],
  ])('refuses %s', (_, define, message) => {
    const error = errorOf(define)
    expect(error.code).toBe('INVALID_JOB')
    expect(error.message).toMatch(message)
    expect(error.message).toMatch(/define-job\.test\.ts:\d+:\d+/)
    expect(error.action).toBeDefined()
  })
})

describe('build', () => {
  test('refuses two steps of one name and shows both places', () => {
    const job = defineJob('doubles', (builder) => {
      builder.source('same', numbers)
      builder.source('same', numbers)
    })
    const error = errorOf(() => job.build(undefined))
    expect(error.code).toBe('INVALID_JOB')
    const places = [...error.message.matchAll(/define-job\.test\.ts:(\d+):\d+/g)].map((match) => Number(match[1]))
    expect(places).toHaveLength(2)
    expect(places[1]).toBe(places[0]! + 1)
    expect(error.context).toMatchObject({ job: 'doubles', operator: 'same' })
  })

  test('refuses a name that is already a derived one', () => {
    const job = defineJob('derived', (builder) =>
      builder
        .source('n', numbers)
        .map((n) => n)
        .to('map-1', sink),
    )
    expect(errorOf(() => job.build(undefined)).message).toMatch(/two steps have the name 'map-1'/)
  })

  test('counts derived names per kind of step', () => {
    const { plan } = defineJob('derived', (builder) => {
      const source = builder.source('n', numbers)
      source
        .map((n) => n)
        .filter(() => true)
        .map((n) => n)
        .flatMap((n) => [n])
      source.map((n) => n, { name: 'named' }).print()
    }).build(undefined)
    expect(plan.operators.map(({ id }) => id)).toEqual([
      'n',
      'map-1',
      'filter-1',
      'map-2',
      'flatMap-1',
      'named',
      'print-1',
    ])
  })

  test('refuses a job without source', () => {
    const error = errorOf(() => defineJob('empty', () => {}).build(undefined))
    expect(error.message).toBe("job 'empty': there is no source")
    expect(error.action).toMatch(/job\.source/)
  })

  test.each([
    ['something that is no source', (job: Loose) => job.source('n', {}), /source 'n' is not a source: got an object/],
    ['a sink as a source', (job: Loose) => job.source('n', sink), /is not a source/],
    ['a source without name', (job: Loose) => job.source(numbers), /a source has no name: got an object/],
    ['a promise', async (job: Loose) => job.source('n', numbers), /build returned a promise/],
    ['a string', (job: Loose) => (job.source('n', numbers), 'x'), /what build returned is not an object/],
    [
      'a port that is no stream',
      (job: Loose) => (job.source('n', numbers), { x: 1 }),
      /'x', which build returned, is not a stream: got 1/,
    ],
  ])('refuses %s', (_, build, message) => {
    const error = errorOf(() => untyped('wrong', build).build(undefined))
    expect(error.code).toBe('INVALID_JOB')
    expect(error.message).toMatch(message)
    expect(error.context.job).toBe('wrong')
  })

  test('names the job when the build function throws', () => {
    const cause = new TypeError('oops')
    const error = errorOf(() =>
      defineJob('thrower', () => {
        throw cause
      }).build(undefined),
    )
    expect(error.code).toBe('INVALID_JOB')
    expect(error.message).toBe("build of job 'thrower' threw: oops")
    expect(error.cause).toBe(cause)
  })

  test('refuses steps that are added after it has returned', () => {
    let late: () => unknown = never
    defineJob('late', (job) => {
      const source = job.source('n', numbers)
      late = () => source.map((n) => n)
    }).build(undefined)
    expect(errorOf(late).message).toMatch(/map was called after the build function had returned/)
  })

  test('refuses a stream of another job', () => {
    const foreign: unknown[] = []
    defineJob('one', (job) => void foreign.push(job.source('n', numbers))).build(undefined)
    const other = untyped('two', (job: Loose) => job.source('n', numbers).union(foreign[0]))
    expect(errorOf(() => other.build(undefined)).message).toMatch(/is a stream of another job/)
  })

  test('takes ports from what the build function returns', () => {
    const { ports } = defineJob('ports', (job) => {
      const n = job.source('n', numbers)
      const { odd, even } = n.process('split', {
        outputs: { even: output<number>(), odd: output<number>() },
        onRecord() {},
      })
      return { n, odd, keyed: even.keyBy((m) => m) }
    }).build(undefined)
    expect(ports).toEqual({
      n: { operator: 'n', output: 0 },
      odd: { operator: 'split', output: 1 },
      keyed: { operator: 'split', output: 0 },
    })
  })

  test('refuses a union as a port', () => {
    const job = defineJob('ports', (builder) => {
      const n = builder.source('n', numbers)
      return { both: n.union(n.map((m) => m)) }
    })
    expect(errorOf(() => job.build(undefined)).message).toMatch(/'both', which build returned, is a union/)
  })

  test('refuses two resources of one name, and accepts one resource in two steps', () => {
    const shared = database()
    const jobUsing = (first: typeof shared, second: typeof shared) =>
      defineJob('resources', (job) => {
        const n = job.source('n', numbers)
        n.process('a', { using: { db: first }, onRecord() {} })
        n.process('b', { using: { database: second }, onRecord() {} })
      })
    expect(jobUsing(shared, shared).build(undefined).plan.operators).toHaveLength(3)
    expect(errorOf(() => jobUsing(shared, database()).build(undefined)).message).toMatch(
      /two resources have the name 'db', used at .+ and at .+/,
    )
  })
})

describe('resolveParams', () => {
  const Params = z.object({
    input: z.string(),
    limits: z.object({ perShop: z.array(z.number()).default([1]) }).default({ perShop: [2] }),
  })
  const withParams = defineJob({ name: 'params', params: Params, build: (job) => void job.source('n', numbers) })

  test('validates and completes by the schema', async () => {
    await expect(withParams.resolveParams({ input: 'x' })).resolves.toEqual({ input: 'x', limits: { perShop: [2] } })
  })

  test('lists every issue with its path', async () => {
    const error = await rejection(withParams.resolveParams({ limits: { perShop: [1, 'two'] } }))
    expect(error.code).toBe('INVALID_PARAMS')
    expect(error.message).toMatch(
      /^the parameters of job 'params' do not fit its schema:\n {2}input: .+\n {2}limits\.perShop\[1\]: /,
    )
    expect(error.context.job).toBe('params')
  })

  test('takes asynchronous schemas', async () => {
    const params = z.object({ n: z.number().refine(async (n) => n > 0) })
    const job = defineJob({ name: 'async', params, build: (builder) => void builder.source('n', numbers) })
    await expect(job.resolveParams({ n: 1 })).resolves.toEqual({ n: 1 })
    expect((await rejection(job.resolveParams({ n: -1 }))).message).toMatch(/\n {2}n: /)
  })

  test('gives a schema with defaults nothing to complete', async () => {
    const job = defineJob({
      name: 'defaults',
      params: z.object({ n: z.number().default(7) }),
      build: (builder) => void builder.source('n', numbers),
    })
    await expect(job.resolveParams(undefined)).resolves.toEqual({ n: 7 })
  })

  test('without a schema accepts nothing only', async () => {
    const job = defineJob('none', never)
    await expect(job.resolveParams(undefined)).resolves.toBeUndefined()
    await expect(job.resolveParams({})).resolves.toBeUndefined()
    expect((await rejection(job.resolveParams({ n: 1 }))).code).toBe('INVALID_PARAMS')
  })

  test('hands the resolved parameters to build', () => {
    const seen: unknown[] = []
    defineJob({
      name: 'handed',
      params: Params,
      build(job, params) {
        seen.push(params)
        job.source('n', numbers)
      },
    }).build({ input: 'y', limits: { perShop: [] } })
    expect(seen).toEqual([{ input: 'y', limits: { perShop: [] } }])
  })
})

/** A builder or a stream as plain JavaScript sees it. */
interface Loose {
  source(...args: readonly unknown[]): Loose
  union(...args: readonly unknown[]): Loose
}
