import { TidemarkError } from '../../core/errors.ts'
import { checkpointId, epoch, type OperatorId, operatorId, runId } from '../../core/ids.ts'
import type {
  CheckpointFile,
  KeyedStateSnapshot,
  ListStateSnapshot,
  Manifest,
  ManifestVertex,
  OperatorSnapshot,
  PreparedCommittable,
  StateHandle,
  TaskSnapshot,
} from '../../core/manifest.ts'
import type { JobPlan, PlanEdge, PlanInput, PlanOperator } from '../../core/plan.ts'
import type { Committable } from '../../core/sink.ts'
import type { StateSchema } from '../../core/state.ts'
import { decodeFramedJson, encodeFramedJson } from '../storage/framed-json.ts'
import { JsonPlace } from '../storage/json-shape.ts'

const FRAME = { format: 'tidemark-checkpoint', version: 1 } as const

/** `NOT_ENCODABLE` when a committable or a setting holds what JSON cannot: NaN, Infinity. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const vertices = manifest.vertices.map((vertex) => ({
    ...vertex,
    tasks: vertex.tasks.map((task) => ({ ...task, watermark: encodeWatermark(task.watermark) })),
  }))
  refuseUnencodable({ ...manifest, vertices: null }, 'manifest')
  refuseUnencodable(vertices, 'manifest.vertices')
  return encodeFramedJson(FRAME, { ...manifest, vertices })
}

/**
 * The manifest in these bytes, every field checked. `CHECKPOINT_CORRUPT` names the file and what is wrong; `UNSUPPORTED` when a later version of
 * Tidemark wrote it. Unknown fields are ignored and dropped.
 */
export function decodeManifest(bytes: Uint8Array, file: string): Manifest {
  const place = new JsonPlace(file, '', decodeFramedJson(bytes, FRAME, file))
  const manifest = readManifest(place)
  checkReferences(place, manifest)
  return manifest
}

function readManifest(place: JsonPlace): Manifest {
  const maxParallelism = place.get('maxParallelism').integer(1, 32_768)
  return {
    format: place.get('format').oneOf(FRAME.format),
    version: place.get('version').oneOf(FRAME.version),
    job: place.get('job').string(),
    run: runId(place.get('run').string()),
    epoch: epoch(place.get('epoch').integer(1)),
    checkpoint: checkpointId(place.get('checkpoint').integer(1)),
    purpose: place.get('purpose').oneOf('checkpoint', 'savepoint'),
    triggeredAt: place.get('triggeredAt').number(),
    completedAt: place.get('completedAt').number(),
    topologyHash: place.get('topologyHash').string(),
    plan: readPlan(place.get('plan')),
    maxParallelism,
    vertices: place.get('vertices').list((item) => readVertex(item, maxParallelism)),
    enumerators: place.get('enumerators').list((item) => ({
      operator: readOperatorId(item.get('operator')),
      codec: item.get('codec').string(),
      handle: readHandle(item.get('handle')),
    })),
    committables: place.get('committables').list((item) => ({
      operator: readOperatorId(item.get('operator')),
      subtask: item.get('subtask').integer(),
      ...readPrepared(item),
    })),
    isFinal: place.get('isFinal').boolean(),
    files: place.get('files').list(readFile),
  }
}

function readVertex(place: JsonPlace, maxParallelism: number): ManifestVertex {
  const vertex = place.get('vertex').string()
  const parallelism = place.get('parallelism').integer(1, maxParallelism)
  const tasks = place.get('tasks').list((item) => readTask(item, maxParallelism))
  if (tasks.length !== parallelism) throw place.refuse(`has ${tasks.length} tasks at parallelism ${parallelism}`)
  for (const [index, task] of tasks.entries()) {
    if (task.vertex !== vertex || task.subtask !== index) {
      throw place.refuse(`has task ${task.vertex}#${task.subtask} where ${vertex}#${index} should be`)
    }
  }
  return { vertex, operators: place.get('operators').list(readOperatorId), parallelism, tasks }
}

function readTask(place: JsonPlace, maxParallelism: number): TaskSnapshot {
  return {
    vertex: place.get('vertex').string(),
    subtask: place.get('subtask').integer(),
    isFinished: place.get('isFinished').boolean(),
    watermark: place.get('watermark').nullable(readWatermark),
    operators: place.get('operators').list((item) => readOperator(item, maxParallelism)),
    files: place.get('files').list(readFile),
  }
}

function readOperator(place: JsonPlace, maxParallelism: number): OperatorSnapshot {
  return {
    operator: readOperatorId(place.get('operator')),
    keyed: place.get('keyed').nullable((item) => readKeyed(item, maxParallelism)),
    lists: place.get('lists').list(readList),
    committables: place.get('committables').list(readPrepared),
  }
}

function readKeyed(place: JsonPlace, maxParallelism: number): KeyedStateSnapshot {
  const handle = readHandle(place.get('handle'))
  const blocks = place.get('blocks').list((item) => {
    const block = {
      keyGroup: item.get('keyGroup').integer(0, maxParallelism - 1),
      offset: item.get('offset').integer(0, handle.length),
      length: item.get('length').integer(0, handle.length),
      entries: item.get('entries').integer(),
      crc32c: item.get('crc32c').crc32c(),
    }
    if (block.offset + block.length > handle.length) throw item.refuse('reaches beyond its snapshot')
    return block
  })
  return { handle, blocks, states: place.get('states').list(readSchema) }
}

function readList(place: JsonPlace): ListStateSnapshot {
  return {
    name: place.get('name').string(),
    mode: place.get('mode').oneOf('split', 'union', 'broadcast'),
    codec: place.get('codec').string(),
    handle: readHandle(place.get('handle')),
    items: place.get('items').integer(),
  }
}

function readHandle(place: JsonPlace): StateHandle {
  const length = place.get('length').integer()
  const crc32c = place.get('crc32c').crc32c()
  const kind = place.get('kind').oneOf('inline', 'file')
  if (kind === 'inline') return { kind, base64: place.get('base64').string(), length, crc32c }
  return { kind, file: place.get('file').relativePath(), offset: place.get('offset').integer(), length, crc32c }
}

function readFile(place: JsonPlace): CheckpointFile {
  return {
    path: place.get('path').relativePath(),
    length: place.get('length').integer(),
    crc32c: place.get('crc32c').crc32c(),
    scope: place.get('scope').oneOf('exclusive', 'shared'),
  }
}

function readPrepared(place: JsonPlace): PreparedCommittable {
  return {
    checkpoint: checkpointId(place.get('checkpoint').integer(1)),
    index: place.get('index').integer(),
    committable: readCommittable(place.get('committable')),
  }
}

function readCommittable(place: JsonPlace): Committable {
  return {
    version: place.get('version').number(),
    data: place.get('data').record((item) => {
      const value = item.value
      return value === null || typeof value === 'string' || typeof value === 'boolean' ? value : item.number()
    }),
  }
}

function readSchema(place: JsonPlace): StateSchema {
  const redistribution = place.find('redistribution')
  return {
    name: place.get('name').string(),
    kind: place.get('kind').oneOf('value', 'list', 'map', 'reducing', 'aggregating', 'broadcast'),
    ...(redistribution === undefined ? {} : { redistribution: redistribution.oneOf('split', 'union') }),
    codec: place.get('codec').string(),
  }
}

function readPlan(place: JsonPlace): JobPlan {
  return {
    version: place.get('version').oneOf(1),
    job: place.get('job').string(),
    operators: place.get('operators').list(readPlanOperator),
    edges: place.get('edges').list(readPlanEdge),
  }
}

function readPlanOperator(place: JsonPlace): PlanOperator {
  const connector = place.find('connector')
  const describe = place.find('describe')
  const delivery = place.find('delivery')
  return {
    id: readOperatorId(place.get('id')),
    kind: place.get('kind').oneOf('source', 'map', 'filter', 'flat-map', 'scan', 'running-count', 'process', 'sink'),
    ...(connector === undefined ? {} : { connector: connector.string() }),
    ...(describe === undefined ? {} : { describe: describe.record(readSetting) }),
    isNamed: place.get('isNamed').boolean(),
    parallelism: place.get('parallelism').nullable((item) => item.integer(1)),
    inputs: place.get('inputs').list(readPlanInput),
    outputs: place.get('outputs').list((item) => item.string()),
    states: place.get('states').list(readSchema),
    ...(delivery === undefined ? {} : { delivery: delivery.oneOf('exactly-once', 'at-least-once') }),
  }
}

function readPlanInput(place: JsonPlace): PlanInput {
  return { name: place.get('name').string(), kind: place.get('kind').oneOf('plain', 'keyed', 'broadcast') }
}

function readPlanEdge(place: JsonPlace): PlanEdge {
  const from = place.get('from')
  const to = place.get('to')
  return {
    from: { operator: readOperatorId(from.get('operator')), output: from.get('output').integer() },
    to: { operator: readOperatorId(to.get('operator')), input: to.get('input').integer() },
    partitioning: place.get('partitioning').oneOf('forward', 'hash', 'rebalance', 'broadcast'),
  }
}

function readSetting(place: JsonPlace): string | number | boolean {
  return typeof place.value === 'string' || typeof place.value === 'boolean' ? place.value : place.number()
}

function readOperatorId(place: JsonPlace): OperatorId {
  return operatorId(place.string())
}

/** JSON has no infinities, and `Infinity` is the watermark at the end of bounded input. */
function encodeWatermark(watermark: number | null): number | string | null {
  return watermark === null || Number.isFinite(watermark) ? watermark : String(watermark)
}

function readWatermark(place: JsonPlace): number {
  if (place.value === 'Infinity') return Number.POSITIVE_INFINITY
  if (place.value === '-Infinity') return Number.NEGATIVE_INFINITY
  return place.number()
}

/** Every handle lies inside a file that the manifest lists, so that verifying the files verifies the state. */
function checkReferences(place: JsonPlace, manifest: Manifest): void {
  const lengths = new Map<string, number>()
  for (const file of manifest.files) {
    if (lengths.has(file.path)) throw place.get('files').refuse(`lists ${file.path} twice`)
    lengths.set(file.path, file.length)
  }
  for (const handle of handlesOf(manifest)) {
    if (handle.kind === 'inline') continue
    const length = lengths.get(handle.file)
    if (length === undefined) throw place.get('files').refuse(`does not list ${handle.file}, which holds state`)
    if (handle.offset + handle.length > length) throw place.refuse(`has state beyond the end of ${handle.file}`)
  }
}

export function handlesOf(manifest: Manifest): readonly StateHandle[] {
  const operators = manifest.vertices.flatMap((vertex) => vertex.tasks.flatMap((task) => task.operators))
  return [
    ...operators.flatMap((operator) => (operator.keyed === null ? [] : [operator.keyed.handle])),
    ...operators.flatMap((operator) => operator.lists.map((list) => list.handle)),
    ...manifest.enumerators.map((enumerator) => enumerator.handle),
  ]
}

function refuseUnencodable(value: unknown, path: string): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new TidemarkError('NOT_ENCODABLE', `${path} is ${value}, which a checkpoint's manifest cannot hold`, {
      action: 'Use finite numbers in committables and in the settings of connectors.',
      context: { path },
    })
  }
  if (typeof value !== 'object' || value === null) return
  for (const [name, item] of Object.entries(value)) refuseUnencodable(item, `${path}.${name}`)
}
