import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isTidemarkError } from '../../core/errors.ts'
import { checkpointId, epoch, operatorId, runId } from '../../core/ids.ts'
import type { Manifest, StateHandle } from '../../core/manifest.ts'
import { decodeFramedJson, encodeFramedJson } from '../storage/framed-json.ts'
import { decodeManifest, encodeManifest } from './manifest-codec.ts'

const FRAME = { format: 'tidemark-checkpoint', version: 1 }
const FILE = '/job/run-a/chk-7/manifest'
const STATE_FILE = 'run-a/chk-7/count~0-1-1'

/** Every kind of field that a manifest can have, once. */
function fullManifest(
  watermark: number | null = 5,
  data: Readonly<Record<string, string | number | boolean | null>> = {},
): Manifest {
  const operator = operatorId('count')
  const handle: StateHandle = { kind: 'file', file: STATE_FILE, offset: 4, length: 20, crc32c: 0xffffffff }
  const states = [{ name: 'total', kind: 'value', codec: 'value/1', redistribution: 'union' }] as const
  const file = { path: STATE_FILE, length: 24, crc32c: 1, scope: 'exclusive' } as const
  const committable = { checkpoint: checkpointId(6), index: 0, committable: { version: 1, data } }
  return {
    format: 'tidemark-checkpoint',
    version: 1,
    job: 'words',
    run: runId('a'),
    epoch: epoch(2),
    checkpoint: checkpointId(7),
    purpose: 'savepoint',
    triggeredAt: 1.5,
    completedAt: 2,
    topologyHash: 'h',
    plan: {
      version: 1,
      job: 'words',
      operators: [
        {
          id: operator,
          kind: 'process',
          connector: 'lines',
          describe: { path: 'a', limit: 1, isOn: true },
          isNamed: true,
          parallelism: 1,
          inputs: [{ name: 'in', kind: 'keyed' }],
          outputs: ['out'],
          states,
          delivery: 'exactly-once',
        },
      ],
      edges: [{ from: { operator, output: 0 }, to: { operator, input: 0 }, partitioning: 'hash' }],
    },
    maxParallelism: 128,
    vertices: [
      {
        vertex: 'count',
        operators: [operator],
        parallelism: 1,
        tasks: [
          {
            vertex: 'count',
            subtask: 0,
            isFinished: false,
            watermark,
            operators: [
              {
                operator,
                keyed: { handle, blocks: [{ keyGroup: 127, offset: 0, length: 20, entries: 1, crc32c: 3 }], states },
                lists: [{ name: '@splits', mode: 'split', codec: 'value/1', handle, items: 2 }],
                committables: [committable],
              },
            ],
            files: [file],
          },
        ],
      },
    ],
    enumerators: [{ operator, codec: 'value/1', handle: { kind: 'inline', base64: 'AQ==', length: 1, crc32c: 2 } }],
    committables: [{ operator, subtask: 0, ...committable }],
    isFinal: false,
    files: [file],
  }
}

/** The document of a manifest as plain JSON, to be damaged. */
function asDocument(manifest: Manifest): unknown {
  return decodeFramedJson(encodeManifest(manifest), FRAME, FILE)
}

type Path = readonly (string | number)[]

function pathsOf(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  const names = Array.isArray(value) ? [...value.keys()] : Object.keys(value)
  return [path, ...names.flatMap((name) => pathsOf((value as Record<string | number, unknown>)[name], [...path, name]))]
}

/** A copy in which the value at `path` is another one, or (undefined) is gone. */
function replaced(value: unknown, path: Path, by: unknown): unknown {
  const [name, ...rest] = path
  if (name === undefined) return by
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, unknown>
  if (rest.length === 0 && by === undefined) delete copy[name]
  else copy[name] = replaced(copy[name], rest, by)
  return copy
}

function decodeDocument(document: unknown): Manifest {
  return decodeManifest(encodeFramedJson(FRAME, document), FILE)
}

function failureOf(work: () => unknown): unknown {
  try {
    work()
    return null
  } catch (error) {
    return error
  }
}

describe('the manifest file', () => {
  it('begins with a line that says what follows', () => {
    const text = new TextDecoder().decode(encodeManifest(fullManifest()))
    expect(text).toMatch(/^\{"format":"tidemark-checkpoint","version":1,"length":\d+,"crc32c":\d+\}\n\{"format"/)
  })

  it('holds every watermark and every plain value of a committable', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\ud800', '\udc00x'),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (Object.is(number, -0) ? 0 : number)),
      fc.boolean(),
      fc.constant(null),
    )
    const data = fc.dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), value)
    const watermark = fc.oneof(fc.integer(), fc.constantFrom(null, Infinity, -Infinity, 0.5))
    fc.assert(
      fc.property(watermark, data, (time, record) => {
        const manifest = fullManifest(time, record)
        expect(decodeManifest(encodeManifest(manifest), FILE)).toStrictEqual(
          fullManifest(time, Object.fromEntries(Object.entries(record))),
        )
      }),
    )
  })

  it.each([NaN, Infinity])('is not written with a committable that holds %s', (number) => {
    const failure = { code: 'NOT_ENCODABLE', context: { path: expect.stringContaining('data.size') } }
    expect(failureOf(() => encodeManifest(fullManifest(0, { size: number })))).toMatchObject(failure)
  })

  it('is refused with file and path whichever field is missing or of another kind', () => {
    const document = asDocument(fullManifest(5, { name: 'x' }))
    const optional = /(connector|describe|delivery|redistribution)$/
    const free = /(describe|data)\.\w+$/
    for (const path of pathsOf(document)) {
      const name = path.join('.')
      for (const by of [undefined, { odd: true }, [[]], 'odd\0', -1, 1e300]) {
        const isElement = typeof path.at(-1) === 'number'
        if (path.length === 0 || (by === undefined && (optional.test(name) || free.test(name) || isElement))) continue
        const error = failureOf(() => decodeDocument(replaced(document, path, by)))
        if (error === null) continue
        expect(isTidemarkError(error), `${name}: ${(error as Error).message}`).toBe(true)
        expect(error).toMatchObject({ code: 'CHECKPOINT_CORRUPT', context: { file: FILE } })
      }
      if (path.length === 0 || free.test(name)) continue
      expect(
        failureOf(() => decodeDocument(replaced(document, path, [[]]))),
        name,
      ).not.toBeNull()
    }
  })

  it.each(['/etc/passwd', '../x', 'a/../../x', 'a//b', './a', 'a\\..\\b', 'C:x', '', 'a\0b'])(
    'is refused when a file is %j',
    (path) => {
      const document = asDocument(fullManifest())
      const error = failureOf(() => decodeDocument(replaced(document, ['files', 0, 'path'], path)))
      expect(error).toMatchObject({ code: 'CHECKPOINT_CORRUPT', message: expect.stringContaining('files[0].path') })
    },
  )

  it('is refused when state lies outside the files that it lists', () => {
    const document = asDocument(fullManifest())
    const handle = ['vertices', 0, 'tasks', 0, 'operators', 0, 'lists', 0, 'handle']
    for (const [path, by] of [
      [[...handle, 'file'], 'run-a/chk-7/other'],
      [[...handle, 'offset'], 5],
      [['files', 0, 'length'], 23],
      [['vertices', 0, 'tasks', 0, 'operators', 0, 'keyed', 'blocks', 0, 'offset'], 1],
      [['vertices', 0, 'parallelism'], 2],
      [['vertices', 0, 'tasks', 0, 'subtask'], 1],
    ] as const) {
      const error = failureOf(() => decodeDocument(replaced(document, path, by)))
      expect(error, path.join('.')).toMatchObject({ code: 'CHECKPOINT_CORRUPT' })
    }
  })

  it('of a later version is refused with what to do', () => {
    const bytes = encodeFramedJson({ ...FRAME, version: 2 }, {})
    expect(failureOf(() => decodeManifest(bytes, FILE))).toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('version 2'),
      action: expect.stringContaining('Tidemark'),
    })
  })

  it('never decodes from bytes that are not a manifest', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(failureOf(() => decodeManifest(bytes, FILE))).toMatchObject({ code: 'CHECKPOINT_CORRUPT' })
      }),
    )
  })
})
