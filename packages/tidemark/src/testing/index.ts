export { checkSinkContract, type SinkContractOptions, type SinkEnvironment } from './connector-contract/sink-contract.ts'
export { checkSourceContract, type SourceContractOptions } from './connector-contract/source-contract.ts'
