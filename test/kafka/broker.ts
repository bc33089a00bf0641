import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { type Broker, type BrokerAddress, prepareBrokers } from './broker-process.ts'
import type { BrokerOptions } from './broker-properties.ts'
import { isAlive, lock } from './java-kit.ts'

export type { Broker, BrokerAddress } from './broker-process.ts'
export { SASL_PASSWORD, SASL_USER } from './broker-properties.ts'

export function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  return startBrokerOf(process.pid, options)
}

/** One broker for all test files of a run: use topics, groups and transactional ids of your own, and neither kill nor configure it. */
export async function sharedBroker(): Promise<BrokerAddress> {
  // Test files run in children (or threads) of one process: the broker lives as long as that.
  const owner = isMainThread ? process.ppid : process.pid
  const directory = join(tmpdir(), `tidemark-kafka-shared-${owner}`)
  const file = join(directory, 'address.json')
  const unlock = await lock(`${directory}.lock`)
  try {
    const known = existsSync(file)
      ? (JSON.parse(await readFile(file, 'utf8')) as { address: BrokerAddress; processId: number })
      : null
    if (known !== null && isAlive(known.processId)) return known.address
    // Of an earlier run whose process had this id.
    await rm(directory, { recursive: true, force: true })
    const broker = await startBrokerOf(owner, {}, directory)
    const address = { bootstrap: broker.bootstrap, plainBootstrap: broker.plainBootstrap, keys: broker.keys }
    await writeFile(file, JSON.stringify({ address, processId: broker.processId }))
    return address
  } finally {
    await unlock()
  }
}

/** A broker that ends with another process than this one. */
export async function startBrokerOf(
  owner: number,
  options: BrokerOptions = {},
  place: string | null = null,
): Promise<Broker> {
  for (let attempt = 1; ; attempt++) {
    const broker = (await prepareBrokers(owner, 1, options, place))[0]!
    try {
      await broker.restart()
      return broker
    } catch (error) {
      await broker.stop()
      // Somebody else has taken a port between our look and the broker's.
      if (attempt === 3 || !String(error).includes('Address already in use')) throw error
    }
  }
}
