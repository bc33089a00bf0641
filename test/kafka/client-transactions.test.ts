import { afterAll, beforeAll, expect, test } from 'vitest'
import type { KafkaClient, TransactionIdentity } from '../../packages/kafka/src/client/contract.ts'
import { type BrokerAddress, sharedBroker } from './broker.ts'
import {
  begin,
  codeOf,
  newTopic,
  NOT_YET,
  openClient,
  openTransaction,
  produce,
  retrying,
  uniqueName,
} from './client-calls.ts'
import { describeWithBroker } from './describe-with-broker.ts'
import { committedValues } from './read-topic.ts'

/** What the sink relies on; the answers are those of transaction protocol 1. */
describeWithBroker('a transaction', () => {
  let broker: BrokerAddress
  let client: KafkaClient
  beforeAll(async () => {
    broker = await sharedBroker()
    client = openClient(broker.bootstrap)
  })
  afterAll(() => client?.close())

  /** And its markers are written: a broker answers before. */
  const end = async (transaction: TransactionIdentity, outcome: 'commit' | 'abort') => {
    await retrying(() => client.endTransaction(transaction, outcome))
    await retrying(async () => {
      const description = await client.describeTransaction(transaction.transactionalId)
      if (!description?.state.startsWith('Complete')) throw NOT_YET
    })
  }

  test('is committed by somebody who knows only its identity, after whoever wrote it is gone', async () => {
    const topic = await newTopic(client, 'resumed')
    const writer = openClient(broker.bootstrap)
    const transaction = await openTransaction(writer, uniqueName('resumed'), topic, ['a', 'b', 'c'])
    await writer.close()
    expect(await committedValues(broker, topic)).toEqual([])
    await end(transaction, 'commit')
    expect(await committedValues(broker, topic)).toEqual(['a', 'b', 'c'])
  })

  test('may be ended again in the same way, and not in the other', async () => {
    const topic = await newTopic(client, 'twice')
    for (const [first, other] of [
      ['commit', 'abort'],
      ['abort', 'commit'],
    ] as const) {
      const transaction = await openTransaction(client, uniqueName('twice'), topic, [first])
      await end(transaction, first)
      await end(transaction, first)
      expect(await codeOf(end(transaction, other))).toBe('INVALID_TXN_STATE')
    }
    expect(await committedValues(broker, topic)).toEqual(['commit'])
  })

  test('cannot be committed after its id was initialized again: that aborts and fences it', async () => {
    const topic = await newTopic(client, 'fenced')
    const transaction = await openTransaction(client, uniqueName('fenced'), topic, ['lost'])
    const next = await begin(client, transaction.transactionalId)
    expect(next.producerEpoch).toBeGreaterThan(transaction.producerEpoch)
    expect(await codeOf(end(transaction, 'commit'))).toBe('PRODUCER_FENCED')
    expect(await codeOf(produce(client, topic, ['zombie'], { transaction, baseSequence: 1 }))).toBe(
      'INVALID_PRODUCER_EPOCH',
    )
    expect(await committedValues(broker, topic)).toEqual([])
  })

  test('cannot be committed when its id is not known, nor when nothing was added to it', async () => {
    const unknown = { transactionalId: uniqueName('unknown'), producerId: 4711n, producerEpoch: 0 }
    expect(await codeOf(end(unknown, 'commit'))).toBe('INVALID_PRODUCER_ID_MAPPING')
    expect(await codeOf(end(await begin(client, uniqueName('empty')), 'commit'))).toBe('INVALID_TXN_STATE')
  })

  test('that lasts longer than its timeout is aborted by the broker, and its commit fails', async () => {
    const topic = await newTopic(client, 'expired')
    const transaction = await openTransaction(client, uniqueName('expired'), topic, ['lost'], 3000)
    await retrying(async () => {
      const description = await client.describeTransaction(transaction.transactionalId)
      if (description?.state !== 'CompleteAbort') throw NOT_YET
    })
    expect(await codeOf(end(transaction, 'commit'))).toBe('PRODUCER_FENCED')
    expect(await committedValues(broker, topic)).toEqual([])
  })

  test('may not have a longer timeout than the broker allows', async () => {
    const refused = retrying(() => client.initializeProducer(uniqueName('long'), 900_001))
    expect(await codeOf(refused)).toBe('INVALID_TRANSACTION_TIMEOUT')
  })

  test('is described and listed, by prefix and state', async () => {
    const topic = await newTopic(client, 'described', 2)
    const prefix = uniqueName('described')
    const open = await openTransaction(client, `${prefix}-open`, topic, ['x'])
    await client.addPartitions(open, [{ topic, partition: 1 }])
    const done = await openTransaction(client, `${prefix}-done`, topic, ['y'])
    await end(done, 'commit')
    const description = await client.describeTransaction(open.transactionalId)
    expect(description).toMatchObject({ ...open, state: 'Ongoing', timeoutMs: 60_000 })
    expect(description!.startedAtMs).toBeGreaterThan(1_700_000_000_000)
    expect(description!.partitions).toHaveLength(2)
    expect(await client.describeTransaction(`${prefix}-never`)).toBeNull()
    const { transactionalId, producerId } = open
    expect(await client.listTransactions(prefix, ['Ongoing', 'PrepareEpochFence'])).toEqual([
      { transactionalId, producerId, state: 'Ongoing' },
    ])
    await retrying(async () => {
      const states = (await client.listTransactions(prefix, [])).map(({ state }) => state).toSorted()
      if (states.join() !== 'CompleteCommit,Ongoing') throw NOT_YET
    })
    await end(open, 'abort')
  })

  test('names the partition that cannot be added', async () => {
    const topic = await newTopic(client, 'added')
    const transaction = await begin(client, uniqueName('added'))
    const added = client.addPartitions(transaction, [
      { topic, partition: 0 },
      { topic: 'nowhere', partition: 3 },
    ])
    await expect(added).rejects.toThrow(/UNKNOWN_TOPIC_OR_PARTITION: adding nowhere-3 to the transaction added-/)
  })

  test('takes a batch once, however often it is sent', async () => {
    const topic = await newTopic(client, 'sequence')
    const transaction = await openTransaction(client, uniqueName('sequence'), topic, ['first'])
    const again = await produce(client, topic, ['first'], { transaction, baseSequence: 0 })
    expect(again.baseOffset).toBe(0)
    expect(await codeOf(produce(client, topic, ['gap'], { transaction, baseSequence: 7 }))).toBe(
      'OUT_OF_ORDER_SEQUENCE_NUMBER',
    )
    await end(transaction, 'commit')
    expect(await committedValues(broker, topic)).toEqual(['first'])
  })
})
