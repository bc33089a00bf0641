export { isTidemarkError, TidemarkError } from './core/errors.ts'
export { connect, type Connected, type ConnectedProcess } from './api/connect.ts'
export { defineJob, type Job, type JobBuilder, type JobOptions, type PortsOf } from './api/define-job.ts'
export type { DeadLetters, NamedStepOptions, OnError, StepOptions } from './api/on-error.ts'
export { output, type Output } from './api/output.ts'
export {
  defineProcess,
  type KeyedContext,
  type KeyedProcess,
  type Process,
  type ProcessContext,
} from './api/process.ts'
export { resource, type ResourceDefinition, secret } from './api/resource.ts'
export { aggregating, broadcastMap, list, map, reducing, value } from './api/state.ts'
export type {
  AggregatingState,
  BroadcastState,
  DefaultedState,
  ListState,
  MapState,
  ReducingState,
  ValueState,
} from './api/state.ts'
export type { BroadcastStream, KeyedStream, SourceHandle, SourceStream, Stream, StreamHandle } from './api/stream.ts'
export type { DeadLetter } from './core/job.ts'
export type { Key, KeyPart } from './core/key.ts'
export type { OpenContext, Resource, Secret } from './core/resource.ts'
export type { StandardSchema } from './core/standard-schema.ts'
export type {
  AggregateFunction,
  Aggregating,
  BroadcastMap,
  List,
  MapHandle,
  ReadonlyBroadcastMap,
  Reducing,
  Value,
} from './core/state.ts'
export { type Collector, collect } from './connectors/collect.ts'
export type { FileSinkOptions } from './connectors/files/file-sink.ts'
export type { LinesOptions } from './connectors/files/file-source.ts'
export { jsonLines } from './connectors/files/json-lines.ts'
export { lines } from './connectors/files/lines.ts'
export { readJsonLines, type ReadJsonLinesOptions } from './connectors/files/read-json-lines.ts'
export { textLines } from './connectors/files/text-lines.ts'
export { type ForEachContext, forEachSink } from './connectors/for-each.ts'
export { fromArray, fromIterable, type FromIterableOptions } from './connectors/from-iterable.ts'
export { generate, type GenerateOptions } from './connectors/generate.ts'
export type { Duration } from './core/duration.ts'
export type { CheckpointCleanup, CheckpointMode, ExecutionOptions, RestartStrategy } from './core/options.ts'
export type {
  CheckpointSummary,
  JobEvent,
  JobHandle,
  JobMetrics,
  JobResult,
  JobStatus,
  OperatorMetrics,
  RunOptions,
  StartPoint,
} from './runtime/job/contract.ts'
export { run } from './runtime/job/run.ts'
export type { Delivery, Sink } from './core/sink.ts'
export type { Source } from './core/source.ts'
