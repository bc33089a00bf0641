import { type Committable, isTidemarkError, type OperatorId, type RunId, type TidemarkError } from 'tidemark/connector'
import { MemoryFileSystem, SeededRandom } from 'tidemark/testing'
import { describe, expect, test } from 'vitest'
import type { KafkaSinkOptions } from '../options.ts'
import { MemoryCluster } from '../testing/memory-cluster.ts'
import { committerOf, during, memoryConnection, settled, values, WriterRun } from '../testing/sink-kit.ts'
import { OPEN_STATES } from './abort-open.ts'
import { fromCommittable } from './committable.ts'
import { kafkaSink } from './kafka-sink.ts'
import { rewriteIdOf } from './rewrite-transaction.ts'

const FRESH = { kind: 'fresh', isForced: false } as const
const A_WEEK_MS = 7 * 24 * 3_600_000

function cluster(config: Readonly<Record<string, string>> = {}): MemoryCluster {
  const made = new MemoryCluster({ brokers: 2, config })
  made.createTopic('out', 2)
  return made
}

function sinkTo(to: MemoryCluster, options: KafkaSinkOptions<number> = {}) {
  return kafkaSink<number>(memoryConnection(to), 'out', { ...options, delivery: 'exactly-once' })
}

/** A transaction with these records, pre-committed by a process that is gone. */
async function prepared(
  to: MemoryCluster,
  records: readonly number[],
  options: KafkaSinkOptions<number> = {},
  files = new MemoryFileSystem(),
) {
  const run = await new WriterRun(to, sinkTo(to, options), { files }).open()
  await run.write(records)
  return { run, committables: await run.prepare(1) }
}

async function commit(
  to: MemoryCluster,
  committables: readonly Committable[],
  options: KafkaSinkOptions<number> = {},
  changes = {},
) {
  const { committer, warnings } = committerOf(to, sinkTo(to, options), { epoch: 2 as never, ...changes })
  const results = await during(to, committer.commit(committables))
  await settled(to)
  return { results, warnings, kinds: results.map(({ kind }) => kind) }
}

function errorOf(result: { readonly kind: string; readonly error?: unknown }): TidemarkError {
  expect(isTidemarkError(result.error)).toBe(true)
  return result.error as TidemarkError
}

describe('a commit', () => {
  test('says lost, with everything that names the transaction, when brokers have timed it out', async () => {
    const to = cluster()
    const { committables } = await prepared(to, [1, 2, 3])
    to.advance(16 * 60_000)
    const { results, kinds } = await commit(to, committables)
    expect(kinds).toEqual(['lost'])
    const error = errorOf(results[0]!)
    expect(error.code).toBe('COMMIT_LOST')
    expect(error.message).toMatch(
      /transaction job\/sink~run-1-1-0-0 \(producer \d+, epoch 0\) with 3 records for out\[[01](-1)?\] was aborted/,
    )
    expect(error.action).toContain('transactionTimeout')
  })

  test('says lost also in the process that wrote it, where nothing was looked up before', async () => {
    const to = cluster()
    const { committables } = await prepared(to, [1])
    to.advance(16 * 60_000)
    expect((await commit(to, committables, {}, { epoch: 1 })).kinds).toEqual(['lost'])
    expect(values(to, 'out')).toEqual([])
  })

  test('finds in the log that it was committed when the id has been used again since', async () => {
    const to = cluster()
    const { run, committables } = await prepared(to, [1])
    expect((await commit(to, committables)).kinds).toEqual(['committed'])
    const client = to.client()
    await during(to, client.initializeProducer(fromCommittable(committables[0]!)!.transactionalId, 60_000))
    expect((await commit(to, committables)).kinds).toEqual(['already-committed'])
    expect(values(to, 'out')).toEqual(['1'])
    await during(to, run.writer.close?.())
  })

  test('finds in the log what became of it when brokers have forgotten its id: committed or aborted', async () => {
    const to = cluster()
    const first = await prepared(to, [1])
    const second = await prepared(to, [2], { transactionalIdPrefix: 'other' })
    await commit(to, first.committables)
    to.advance(A_WEEK_MS)
    await settled(to)
    for (const { transactionalId } of to.transactions.list('', [])) to.transactions.forget(transactionalId)
    expect((await commit(to, first.committables)).kinds).toEqual(['already-committed'])
    expect((await commit(to, second.committables)).kinds).toEqual(['lost'])
  })

  test('of records that retention has deleted meanwhile counts as done, with a warning', async () => {
    const to = cluster()
    const { committables } = await prepared(to, [1])
    await commit(to, committables)
    for (const { transactionalId } of to.transactions.list('', [])) to.transactions.forget(transactionalId)
    for (const partition of [0, 1]) to.log('out', partition).deleteBefore(to.log('out', partition).highWatermark)
    const { kinds, warnings } = await commit(to, committables)
    expect([kinds, warnings.length]).toEqual([['already-committed'], 1])
  })

  test('is asked for again later where brokers cannot be reached, and throws where they refuse', async () => {
    const to = cluster()
    const { committables } = await prepared(to, [1])
    to.stopBroker(1)
    to.stopBroker(2)
    const { results, kinds } = await commit(to, committables)
    expect([kinds, errorOf(results[0]!).code]).toEqual([['retry'], 'COMMIT_FAILED'])
    to.startBroker(1)
    to.inject('endTransaction', { kind: 'refused', code: 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED' })
    await expect(commit(to, committables)).rejects.toThrow('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
    expect((await commit(to, committables)).kinds).toEqual(['committed'])
  })

  test('of a form that a later version has written is lost and says so', async () => {
    const { results } = await commit(cluster(), [{ version: 2, data: {} }])
    expect(errorOf(results[0]!).action).toContain('version')
  })
})

describe('a transaction that brokers have timed out and whose records were kept', () => {
  const options = { keepUntilCommitted: 'kept' } as const

  test('is written again once, whichever call of it fails or kills the process', async () => {
    for (let failing = 0; failing < 25; failing++) {
      for (const end of ['lost-request', 'lost-response', 'kill-arrive', 'kill-lost'] as const) {
        const to = cluster()
        const files = new MemoryFileSystem()
        const { committables } = await prepared(
          to,
          [1, 2, 3, 4, 5],
          { ...options, partition: (number) => number % 2, batchBytes: 70 },
          files,
        )
        to.advance(16 * 60_000)
        await rewriteWithFault(to, committables, files, failing, end)
        const { kinds } = await commit(to, committables, options, { files, epoch: 3 as never })
        expect(['committed', 'already-committed']).toContain(kinds[0])
        expect([...values(to, 'out')].sort()).toEqual(['1', '2', '3', '4', '5'])
        expect(to.transactions.list('', OPEN_STATES)).toEqual([])
      }
    }
  })

  test('is lost when the file is damaged, and names the file', async () => {
    const to = cluster()
    const files = new MemoryFileSystem()
    const { committables } = await prepared(to, [1], options, files)
    to.advance(16 * 60_000)
    const { kept } = fromCommittable(committables[0]!)!
    const [directory] = (await files.list('kept'))!
    files.put(`kept/${directory}/${kept!.name}`, new Uint8Array(kept!.byteLength))
    const { results, kinds } = await commit(to, committables, options, { files })
    expect(kinds).toEqual(['lost'])
    expect(errorOf(results[0]!).message).toContain(kept!.name)
  })

  test('is written again also when the power failed after it was pre-committed', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const to = cluster()
      const files = new MemoryFileSystem()
      const { committer } = committerOf(to, sinkTo(to, options), { files })
      await during(to, committer.start?.(FRESH))
      const { committables } = await prepared(to, [1, 2, 3], options, files)
      files.crash(new SeededRandom(seed))
      to.advance(16 * 60_000)
      expect((await commit(to, committables, options, { files })).kinds).toEqual(['committed'])
      expect(values(to, 'out')).toHaveLength(3)
    }
  })

  test('leaves no file behind when it is committed', async () => {
    const to = cluster()
    const files = new MemoryFileSystem()
    const { committables } = await prepared(to, [1], options, files)
    const [directory] = (await files.list('kept'))!
    expect(await files.list(`kept/${directory}`)).toHaveLength(1)
    await commit(to, committables, options, { files })
    expect(await files.list(`kept/${directory}`)).toEqual([])
  })

  test('has an id that follows from its own', () => {
    const transaction = { transactionalId: 'job/sink~run-1-1-0-0', producerId: 1n, producerEpoch: 7 }
    expect(rewriteIdOf(transaction)).toBe('job/sink~run-1-1-0-0~r7')
  })

  async function rewriteWithFault(
    to: MemoryCluster,
    committables: readonly Committable[],
    files: MemoryFileSystem,
    failing: number,
    end: string,
  ) {
    const client = to.client()
    const connection = { brokers: 'memory', open: () => client }
    const sink = kafkaSink<number>(connection, 'out', { ...options, delivery: 'exactly-once' })
    const { committer } = committerOf(to, sink, { epoch: 2 as never, files: files.attach() })
    let calls = 0
    let isKilled = false
    to.faults = () => {
      if (calls++ !== failing) return null
      if (end === 'lost-request' || end === 'lost-response') return { kind: end }
      isKilled = true
      files.kill()
      to.kill(client, end === 'kill-arrive' ? 'arrive' : 'lost')
      return null
    }
    const killed = new Promise<void>((resolve) => {
      const look = (): void => void (isKilled ? setImmediate(resolve) : setImmediate(look))
      void committer.commit(committables).then(
        () => (isKilled = true),
        () => (isKilled = true),
      )
      look()
    })
    await during(to, killed)
    to.faults = () => null
  }
})

describe('a start', () => {
  test('is refused when brokers do not allow the timeout, with both values', async () => {
    const to = cluster({ 'transaction.max.timeout.ms': '60000' })
    const { committer } = committerOf(to, sinkTo(to, { transactionTimeout: '5m' }))
    await expect(during(to, committer.check!(FRESH))).rejects.toThrow('is 300000 ms, but the brokers allow 60000 ms')
    await committer.close?.()
  })

  test('warns of a timeout shorter than interval and timeout of checkpoints', async () => {
    const to = cluster()
    const { committer, warnings } = committerOf(to, sinkTo(to, { transactionTimeout: '30s' }))
    await during(to, committer.check!(FRESH))
    expect(warnings).toEqual([expect.stringContaining('transactionTimeout is 30000 ms, less than')])
    await committer.close?.()
  })

  test('is refused when the topic does not exist', async () => {
    const to = new MemoryCluster()
    const { committer } = committerOf(to, sinkTo(to))
    await expect(during(to, committer.check!(FRESH))).rejects.toThrow('topic out of sink sink does not exist')
    await committer.close?.()
  })

  test('is refused for a second sink with the same prefix', async () => {
    const to = cluster()
    const options = { transactionalIdPrefix: 'same' }
    const { committer } = committerOf(to, sinkTo(to, options))
    const other = committerOf(to, sinkTo(to, options), { operator: 'other' as OperatorId }).committer
    await during(to, committer.check!(FRESH))
    await expect(during(to, other.check!(FRESH))).rejects.toThrow('both have transactionalIdPrefix "same"')
    await committer.close?.()
    await during(to, other.check!(FRESH))
    await other.close?.()
  })

  test('without a checkpoint is refused when another run has left transactions open, unless it is forced', async () => {
    const to = cluster()
    const { run } = await prepared(to, [1])
    const { committer } = committerOf(to, sinkTo(to), { run: 'later' as RunId })
    await expect(during(to, committer.check!(FRESH))).rejects.toMatchObject({ code: 'OUTPUT_WITHOUT_CHECKPOINT' })
    await during(to, committer.check!({ kind: 'fresh', isForced: true }))
    // It was killed before its first checkpoint was complete, or a run between was that came no further.
    await during(to, committer.check!({ kind: 'fresh', isForced: false, unfinished: 'run' as RunId }))
    await during(to, committer.check!({ kind: 'fresh', isForced: false, unfinished: 'between' as RunId }))
    await during(to, committer.check!({ kind: 'restored', from: 'run' as RunId }))
    await during(to, committer.abortOthers())
    await during(to, committer.check!(FRESH))
    await during(to, run.writer.close?.())
    await committer.close?.()
  })

  test('without a checkpoint is refused when this very run has committed, but not when it never came that far', async () => {
    const to = cluster()
    const { committables } = await prepared(to, [1])
    const { committer } = committerOf(to, sinkTo(to))
    await during(to, committer.check!(FRESH))
    await commit(to, committables)
    await expect(during(to, committer.check!(FRESH))).rejects.toMatchObject({ code: 'OUTPUT_WITHOUT_CHECKPOINT' })
    await committer.close?.()
    const { committer: later } = committerOf(to, sinkTo(to), { run: 'later' as RunId })
    const again = later.check!({ kind: 'fresh', isForced: false, unfinished: 'run' as RunId })
    await expect(during(to, again)).rejects.toMatchObject({ code: 'OUTPUT_WITHOUT_CHECKPOINT' })
    await later.close?.()
  })
})

describe('aborting what no checkpoint holds', () => {
  test('leaves sinks with other prefixes alone, also with one that begins with this prefix', async () => {
    const to = cluster()
    for (const transactionalIdPrefix of ['a', 'a~b', 'ab', 'a/b']) await prepared(to, [1], { transactionalIdPrefix })
    const { committer } = committerOf(to, sinkTo(to, { transactionalIdPrefix: 'a' }))
    await during(to, committer.abortOthers())
    const open = to.transactions.list('', ['Ongoing']).map(({ transactionalId }) => transactionalId.split('~run')[0])
    expect(new Set(open)).toEqual(new Set(['a/b', 'ab', 'a~b']))
  })

  test('waits until readers are free', async () => {
    const to = cluster()
    await prepared(to, [1, 2, 3])
    const { committer } = committerOf(to, sinkTo(to))
    await during(to, committer.abortOthers())
    for (const partition of [0, 1])
      expect(to.log('out', partition).lastStableOffset).toBe(to.log('out', partition).highWatermark)
  })
})
