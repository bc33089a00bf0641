export {
  checkSinkContract,
  type SinkContractOptions,
  type SinkEnvironment,
} from './connector-contract/sink-contract.ts'
export { checkSourceContract, type SourceContractOptions } from './connector-contract/source-contract.ts'
export type { OutputProbe, Probe, Probes, SourceProbe, TestOptions, TestRun } from './test-job/contract.ts'
export { testJob } from './test-job/test-job.ts'
