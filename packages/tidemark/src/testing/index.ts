export { verifyCheckpointDirectory } from './checkers/checkpoint-directory.ts'
export { exactlyOnceProblem, lossProblem, surplusProblem } from './checkers/exactly-once.ts'
export { keyOrderProblem } from './checkers/key-order.ts'
export { InFlight, inFlightBound } from './checkers/memory-bound.ts'
export { committedLines, outputResidueProblem } from './checkers/output-directory.ts'
export { runningCountProblem } from './checkers/running-counts.ts'
export type { Disturb, Disturbance } from './connector-contract/disturbance.ts'
export { BrokenRule, type RuleName } from './connector-contract/rules.ts'
export { checkSinkContract } from './connector-contract/sink-contract.ts'
export type { SinkContractOptions, SinkEnvironment } from './connector-contract/sink-scenario.ts'
export { checkSourceContract, type SourceContractOptions } from './connector-contract/source-contract.ts'
export {
  type FileFault,
  type FileOperation,
  type FileOperationKind,
  MemoryFileSystem,
  type MemoryFileSystemOptions,
} from './simulator/memory-file-system.ts'
export { SeededRandom } from './simulator/seeded-random.ts'
export { simulate, type SimulatedOutputs, type SimulateOptions } from './simulator/simulate.ts'
export { type PromiseName, Violation } from './simulator/violation.ts'
export type { OutputProbe, Probe, Probes, SourceProbe, TestOptions, TestRun } from './test-job/contract.ts'
export { testJob } from './test-job/test-job.ts'
