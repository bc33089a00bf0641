declare const brand: unique symbol
/** A primitive that the compiler keeps apart from others of the same shape. */
export type Branded<T, Name extends string> = T & { readonly [brand]: Name }

/** The number of a checkpoint. Strictly increasing within a run, across restarts and processes; starts at 1. */
export type CheckpointId = Branded<number, 'CheckpointId'>
/** The name of an operator, unique in its job: what state is stored under and what errors show. */
export type OperatorId = Branded<string, 'OperatorId'>
/** One parallel instance of a chain of operators: `<name of the chain's first operator>#<subtask>`. */
export type TaskId = Branded<string, 'TaskId'>
/** A channel's position among all input channels of one task; runs through all gates. */
export type ChannelIndex = Branded<number, 'ChannelIndex'>
/** 0 … maxParallelism − 1: the unit in which keyed state is stored and moved. */
export type KeyGroup = Branded<number, 'KeyGroup'>
/** One life of a job, from a fresh start to FINISHED or CANCELED, over any number of processes. Part of every external name. */
export type RunId = Branded<string, 'RunId'>
/** Which start of a process this is within the job's directory; durable and strictly increasing: the fencing token. */
export type Epoch = Branded<number, 'Epoch'>
/** Which restart within the process this is; starts at 1. `<run>-<epoch>-<attempt>` never occurs twice. */
export type Attempt = Branded<number, 'Attempt'>

export const checkpointId = (value: number): CheckpointId => value as CheckpointId
export const operatorId = (value: string): OperatorId => value as OperatorId
export const taskId = (vertex: string, subtask: number): TaskId => `${vertex}#${subtask}` as TaskId
export const channelIndex = (value: number): ChannelIndex => value as ChannelIndex
export const keyGroup = (value: number): KeyGroup => value as KeyGroup
export const runId = (value: string): RunId => value as RunId
export const epoch = (value: number): Epoch => value as Epoch
export const attempt = (value: number): Attempt => value as Attempt
