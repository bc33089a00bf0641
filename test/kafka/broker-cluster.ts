import { setTimeout as delay } from 'node:timers/promises'
import { Cluster } from '../../packages/kafka/src/client/cluster.ts'
import type { MetadataResponse } from '../../packages/kafka/src/client/protocol/cluster-apis.ts'
import { type Broker, type BrokerAddress, prepareBrokers } from './broker-process.ts'
import type { BrokerOptions } from './broker-properties.ts'
import { settingsFor } from './client-calls.ts'

type Partition = MetadataResponse['topics'][number]['partitions'][number]

/** What changes of a partition when brokers come and go. */
export type PartitionState = Pick<Partition, 'partition' | 'leader' | 'leaderEpoch' | 'replicas' | 'inSync'>

/** Brokers that are one cluster, and controllers of it: one less than half of them may be dead. */
export interface BrokerCluster extends BrokerAddress {
  /** That with node id 1 first. */
  readonly brokers: readonly Broker[]
  broker(id: number): Broker
  partitions(topic: string): Promise<readonly PartitionState[]>
  /** Waits until all partitions of a topic are as they are wanted. */
  until(topic: string, isWanted: (partition: PartitionState) => boolean): Promise<readonly PartitionState[]>
  stop(): Promise<void>
}

/** Leaders move back to the first replica of each partition by themselves, a second after that is in sync again. */
const CLUSTER_CONFIG = {
  'auto.leader.rebalance.enable': 'true',
  'leader.imbalance.check.interval.seconds': '1',
  'leader.imbalance.per.broker.percentage': '0',
  // Three of them share what one has: none is to be taken for dead because it is slow.
  'broker.session.timeout.ms': '3000',
}
const POLL_MS = 50
const PATIENCE_MS = 60_000

/** Topics have three replicas, and two have to have a record before it is acknowledged. */
export async function startCluster(size: number, options: BrokerOptions = {}): Promise<BrokerCluster> {
  for (let attempt = 1; ; attempt++) {
    const brokers = await prepareBrokers(process.pid, size, {
      ...options,
      config: { ...CLUSTER_CONFIG, ...options.config },
    })
    const starts = await Promise.allSettled(brokers.map((broker) => broker.restart()))
    const failure = starts.find((start) => start.status === 'rejected')
    if (failure === undefined) return new RunningCluster(brokers)
    for (const broker of brokers) await broker.stop()
    if (attempt === 3 || !String(failure.reason).includes('Address already in use')) throw failure.reason
  }
}

class RunningCluster implements BrokerCluster {
  readonly brokers: readonly Broker[]
  readonly bootstrap: string
  readonly plainBootstrap: string
  readonly keys: BrokerAddress['keys']
  private readonly client: Cluster

  constructor(brokers: readonly Broker[]) {
    this.brokers = brokers
    this.bootstrap = brokers.map(({ bootstrap }) => bootstrap).join(',')
    this.plainBootstrap = brokers.map(({ plainBootstrap }) => plainBootstrap).join(',')
    this.keys = brokers[0]!.keys
    this.client = new Cluster(settingsFor(this.plainBootstrap))
  }

  broker(id: number): Broker {
    return this.brokers[id - 1]!
  }

  async partitions(topic: string): Promise<readonly PartitionState[]> {
    const { topics } = await this.client.metadata([topic])
    return topics[0]?.partitions ?? []
  }

  async until(topic: string, isWanted: (partition: PartitionState) => boolean): Promise<readonly PartitionState[]> {
    const deadline = Date.now() + PATIENCE_MS
    for (;;) {
      // Who is asked may be the one that was just killed.
      const partitions = await this.partitions(topic).catch(() => [])
      if (partitions.length > 0 && partitions.every(isWanted)) return partitions
      if (Date.now() > deadline) throw new Error(`${topic} stays as it is: ${JSON.stringify(partitions)}`)
      await delay(POLL_MS)
    }
  }

  async stop(): Promise<void> {
    this.client.close()
    await Promise.all(this.brokers.map((broker) => broker.stop()))
  }
}
