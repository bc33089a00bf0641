import type { Committable } from 'tidemark/connector'
import { beforeEach, describe, expect, test } from 'vitest'
import { fromCommittable } from '../sink/committable.ts'
import { kafkaSink } from '../sink/kafka-sink.ts'
import { MemoryCluster } from '../testing/memory-cluster.ts'
import { during, memoryConnection, settled, values, WriterRun } from '../testing/sink-kit.ts'
import { runKafkaTool } from './kafka-tool.ts'

let cluster: MemoryCluster
/** In a checkpoint, and open but in none. */
let held: Committable
let loose: Committable

beforeEach(async () => {
  cluster = new MemoryCluster()
  cluster.createTopic('out', 1)
  const run = await new WriterRun(cluster, kafkaSink<number>(memoryConnection(cluster), 'out')).open()
  await run.write([1])
  held = (await run.prepare(1))[0]!
  await run.write([2])
  loose = (await run.prepare(2))[0]!
})

const idOf = (committable: Committable) => fromCommittable(committable)!.transactionalId

async function call(...argv: readonly string[]) {
  let out = ''
  let problem = ''
  const code = await during(
    cluster,
    runKafkaTool({
      argv: ['transactions', ...argv],
      environment: {},
      clock: cluster.clock,
      write: (text) => void (out += text),
      writeError: (text) => void (problem += text),
      readHeld: async (directory) => (directory === 'none' ? null : [{ checkpoint: 7, committable: held }]),
      openClient: () => cluster.client(),
    }),
  )
  await settled(cluster)
  return { code, out, problem }
}

const OF_JOB = ['--bootstrap', 'localhost:9092', '--job', 'job'] as const
const state = (committable: Committable) => cluster.transactions.describe(idOf(committable))!.state

describe('tidemark kafka transactions', () => {
  test('lists what is open, with state, age, partitions and the checkpoint that holds it', async () => {
    cluster.advance(90_000)
    const { code, out } = await call('list', ...OF_JOB)
    expect(code).toBe(0)
    const [first, second] = out.split('\n  ')
    expect(first).toBe(idOf(held))
    expect(second).toMatch(/^Ongoing, open for 90 s of 15 min; producer \d+, epoch 0; out\[0\]; held by checkpoint 7/)
    expect(out).toContain(`${idOf(loose)}\n  Ongoing`)
    expect(out).toContain('held by no checkpoint')
  })

  test('lists as JSON, one object per line, and only those of the job or prefix', async () => {
    const { out } = await call('list', ...OF_JOB, '--json')
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { checkpoint: number | null }).checkpoint),
    ).toEqual([7, null])
    expect((await call('list', '--bootstrap', 'localhost:9092', '--job', 'jo')).out).toBe('No transactions.\n')
    expect(
      (
        await call(
          'list',
          '--bootstrap',
          'localhost:9092',
          '--prefix',
          'job/sink',
          '--checkpoint-dir',
          'state',
          '--json',
        )
      ).out,
    ).toBe(out)
  })

  test('commits what a checkpoint holds, and refuses the rest unless it is forced', async () => {
    expect(await call('commit', ...OF_JOB, '--id', idOf(held))).toMatchObject({
      code: 0,
      out: `committed ${idOf(held)}\n`,
    })
    expect(values(cluster, 'out')).toEqual(['1'])
    const refused = await call('commit', ...OF_JOB, '--id', idOf(loose))
    expect([refused.code, refused.problem]).toEqual([3, expect.stringContaining('no checkpoint holds')])
    expect(state(loose)).toBe('Ongoing')
    expect((await call('commit', ...OF_JOB, '--id', idOf(loose), '--force')).code).toBe(0)
    expect(values(cluster, 'out')).toEqual(['1', '2'])
  })

  test('aborts what no checkpoint holds, and refuses the rest unless it is forced: all or nothing', async () => {
    const refused = await call('abort', ...OF_JOB, '--all')
    expect([refused.code, refused.problem]).toEqual([3, expect.stringContaining('checkpoint 7 holds')])
    expect([state(held), state(loose)]).toEqual(['Ongoing', 'Ongoing'])
    expect((await call('abort', ...OF_JOB, '--id', idOf(loose))).code).toBe(0)
    expect([state(held), state(loose)]).toEqual(['Ongoing', 'CompleteAbort'])
    expect((await call('abort', ...OF_JOB, '--all', '--force')).code).toBe(0)
    expect(state(held)).toBe('CompleteAbort')
  })

  test('refuses both where it is not known what checkpoints hold', async () => {
    for (const action of ['commit', 'abort']) {
      const { code, problem } = await call(action, ...OF_JOB, '--all', '--checkpoint-dir', 'none')
      expect([code, problem]).toEqual([3, expect.stringContaining('not known which checkpoint')])
    }
  })

  test('says what is wrong with its arguments', async () => {
    for (const [argv, problem] of [
      [['list', '--job', 'job'], 'no brokers'],
      [['list', '--bootstrap', 'a:1'], 'no job'],
      [['abort', ...OF_JOB], 'nothing to abort'],
      [['list', ...OF_JOB, '--password', 'x'], 'unknown option --password'],
      [['list', ...OF_JOB, '--sasl-mechanism', 'plain', '--sasl-username', 'me'], 'KAFKA_PASSWORD is not set'],
      [['commit', ...OF_JOB, '--id', 'job/sink~run-9-9-9-9'], 'there is no transaction'],
      [['erase', ...OF_JOB], 'does not know erase'],
    ] as const) {
      const result = await call(...argv)
      expect([result.code, result.problem]).toEqual([2, expect.stringContaining(problem)])
    }
    expect((await call('list', '--help')).out).toContain('Usage')
  })
})
