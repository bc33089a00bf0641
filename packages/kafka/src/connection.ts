import type { KafkaClient } from './client/contract.ts'

/** A cluster as sources, sinks and tools get to it: opens clients that the caller closes. */
export interface ClusterConnection {
  /** `host:port, host:port`: for people. */
  readonly brokers: string
  /** Fails only where secrets or options do; no broker is reached. */
  open(secret: (name: string) => string): KafkaClient
}
