import { type Epoch, epoch, type RunId, runId } from '../../core/ids.ts'
import type { FileSystem } from '../../core/file-system.ts'
import { TidemarkError } from '../../core/errors.ts'
import { readWholeFile, storageFailed } from '../storage/durable-files.ts'
import { decodeFramedJson, encodeFramedJson } from '../storage/framed-json.ts'
import { JsonPlace } from '../storage/json-shape.ts'

const FRAME = { format: 'tidemark-job', version: 1 } as const
export const JOB_RECORD_NAME = 'job.json'

/** `finishing`: the end is durable, but the process may not have put everything away yet. */
export type RunStatus = 'running' | 'suspended' | 'failed' | 'finishing' | 'finished' | 'canceled'

/** What is known of a job between its processes: `job.json` in its checkpoint directory. */
export interface JobRecord {
  readonly job: string
  /** The present run, or the last one. */
  readonly run: RunId
  /** Of the newest start. Nobody with a smaller one may write. */
  readonly epoch: Epoch
  /** `running` in a record that nobody holds the lock of: the process was killed. */
  readonly status: RunStatus
  /** The checkpoint that this run was started from by `--from`: what it goes on from until it has one of its own. */
  readonly from: string | null
  readonly updatedAt: number
}

export function encodeJobRecord(record: JobRecord): Uint8Array {
  return encodeFramedJson(FRAME, record)
}

/** `CHECKPOINT_CORRUPT` naming the file; `UNSUPPORTED` for a later version's. */
export function decodeJobRecord(bytes: Uint8Array, file: string): JobRecord {
  const place = new JsonPlace(file, '', decodeFramedJson(bytes, FRAME, file))
  return {
    job: place.get('job').string(),
    run: runId(place.get('run').string()),
    epoch: epoch(place.get('epoch').integer(1)),
    status: place.get('status').oneOf('running', 'suspended', 'failed', 'finishing', 'finished', 'canceled'),
    from: place.get('from').nullable((item) => item.string()),
    updatedAt: place.get('updatedAt').number(),
  }
}

/** The record in a job's checkpoint directory; null when there is none. */
export async function readJobRecord(files: FileSystem, directory: string): Promise<JobRecord | null> {
  const file = `${directory}/${JOB_RECORD_NAME}`
  let bytes: Uint8Array | null
  try {
    bytes = await readWholeFile(files, file)
  } catch (error) {
    throw storageFailed(`Reading ${file}`, file, error)
  }
  return bytes === null ? null : decodeJobRecord(bytes, file)
}

/** `FENCED` unless the newest start of the job is ours. */
export async function refuseIfFenced(files: FileSystem, directory: string, ours: Epoch): Promise<void> {
  const record = await readJobRecord(files, directory)
  if (record?.epoch === ours) return
  const found = record === null ? 'its record is gone' : `it was started again as epoch ${record.epoch}`
  throw new TidemarkError('FENCED', `This process runs the job in ${directory} as epoch ${ours}, but ${found}`, {
    action: 'Stop this process; let one process at a time run a job, and nobody else change its checkpoint directory.',
    context: { file: `${directory}/${JOB_RECORD_NAME}` },
  })
}
