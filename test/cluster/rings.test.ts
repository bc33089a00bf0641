import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MOST_CAPACITIES } from '../../packages/tidemark/src/runtime/channel/ring-layout.ts'
import { makeChannels } from '../../packages/tidemark/src/runtime/worker/remote-channels.ts'
import type { RingPeerOrder, RingReport } from './ring-peer.ts'

const CONSUMER = 2

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-rings-'))
  await build({
    entryPoints: [fileURLToPath(new URL('ring-peer.ts', import.meta.url))],
    outfile: join(folder, 'ring-peer.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@tidemark/source'],
    external: ['esbuild'],
    sourcemap: 'inline',
    logLevel: 'error',
  })
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** Two threads that send, and one that takes. */
async function exchange(order: Omit<RingPeerOrder, 'worker' | 'channels'>): Promise<RingReport> {
  const remote = [0, 1].map((fromHost) => ({ id: `from ${fromHost}`, fromHost, toHost: CONSUMER }))
  const channels = makeChannels(remote, 3, order.capacity)
  const threads = [0, 1, CONSUMER].map(
    (worker) =>
      new Worker(pathToFileURL(join(folder, 'ring-peer.mjs')), { workerData: { ...order, worker, channels } }),
  )
  try {
    return await new Promise((resolve, reject) => {
      for (const thread of threads) thread.on('error', reject)
      threads[CONSUMER]!.on('message', resolve)
    })
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()))
  }
}

describe('two threads that send barriers at random into rings of bounded size (scenario 5)', () => {
  test.each([
    // As Flink has it: pools of 100, a barrier every 100,000 elements on one channel, and at random with the same mean on the other.
    { records: 1_000_000, interval: 100_000, capacity: 100, largestBatch: 64, seed: 1 },
    // Hardly anything but alignments.
    { records: 100_000, interval: 50, capacity: 100, largestBatch: 8, seed: 2 },
    // Batches that are larger than what the ring may hold.
    { records: 100_000, interval: 1000, capacity: 1, largestBatch: 200, seed: 3 },
  ])(
    'are aligned without an error, a standstill or a record on the wrong side ($records records, a barrier every $interval, capacity $capacity)',
    async (order) => {
      const report = await exchange(order)
      expect(report.misplaced).toEqual([])
      expect(report.taken).toEqual([order.records, order.records])
      expect(report.aborts).toBe(0)
      // At least those of the regular channel.
      expect(report.triggers).toBeGreaterThanOrEqual(
        Math.floor((order.records - 1) / (order.interval + order.largestBatch)),
      )
      // The last element that was let in may exceed the credit.
      expect(report.mostOnTheWay).toBeLessThan(order.capacity * MOST_CAPACITIES + order.largestBatch)
      expect(report.leftInRings).toBe(0)
    },
  )
})
