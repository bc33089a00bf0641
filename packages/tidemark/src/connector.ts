export { crc32c } from './core/crc32c.ts'
export { assert, type ErrorCode, isTidemarkError, TidemarkError } from './core/errors.ts'
export { type Duration, durationMs } from './core/duration.ts'
export type { Clock } from './core/clock.ts'
export type { FileSystem } from './core/file-system.ts'
export type { Attempt, CheckpointId, Epoch, OperatorId, RunId } from './core/ids.ts'
export { SECRET, type Secret } from './core/resource.ts'
export {
  type Committable,
  type CommitResult,
  type Committer,
  type CommitterContext,
  type Delivery,
  type Sink,
  SINK,
  type SinkIdentity,
  type SinkWriter,
  type StartKind,
  type WriterContext,
} from './core/sink.ts'
export {
  type EnumeratorContext,
  type PollResult,
  type ReaderContext,
  type Source,
  SOURCE,
  type SourceOutput,
  type SourceReader,
  type Split,
  type SplitEnumerator,
} from './core/source.ts'
export { shortAscii } from './core/short-text.ts'
export { describeIssue, isStandardSchema, type StandardResult, type StandardSchema } from './core/standard-schema.ts'
