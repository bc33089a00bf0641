import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { KafkaClient } from '../../packages/kafka/src/client/contract.ts'
import { parseTransactionName } from '../../packages/kafka/src/sink/transaction-name.ts'
import type { JobEvent } from '../../packages/tidemark/src/runtime/job/contract.ts'
import { type Broker, startBroker } from './broker.ts'
import { newTopic, openClient, uniqueName } from './client-calls.ts'
import { describeWithBroker } from './describe-with-broker.ts'
import { readCommitted } from './read-topic.ts'
import { TopicFeeder } from './topic-feeder.ts'

const WORDS = 10
const program = fileURLToPath(new URL('../../node_modules/.cache/kafka/elsewhere.mjs', import.meta.url))

type ProcessEvent = JobEvent | { readonly kind: 'ended'; readonly code: string }

/** The job in a process that sees no lock of another one. */
class ElsewhereProcess {
  readonly events: ProcessEvent[] = []
  readonly ended: Promise<number | null>
  private readonly child: ChildProcess
  private listeners: (() => void)[] = []

  constructor(argv: readonly string[]) {
    this.child = spawn(process.execPath, [program, ...argv], { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = createInterface(this.child.stdout!)
    const wake = () => {
      for (const listener of this.listeners.splice(0)) listener()
    }
    lines.on('line', (line) => {
      this.events.push(JSON.parse(line) as ProcessEvent)
      wake()
    })
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code) => {
        resolve(code)
        wake()
      })
    })
  }

  all<Kind extends ProcessEvent['kind']>(kind: Kind): readonly Extract<ProcessEvent, { readonly kind: Kind }>[] {
    return this.events.filter((event): event is Extract<ProcessEvent, { readonly kind: Kind }> => event.kind === kind)
  }

  /** Waits for so many more events of a kind. */
  async told(kind: ProcessEvent['kind'], count: number): Promise<void> {
    const enough = this.all(kind).length + count
    while (this.all(kind).length < enough) {
      if (this.child.exitCode !== null) throw new Error(`it has ended: ${JSON.stringify(this.events.slice(-3))}`)
      await new Promise<void>((resolve) => void this.listeners.push(resolve))
    }
  }

  pause(): void {
    this.child.kill('SIGSTOP')
  }

  goOn(): void {
    this.child.kill('SIGCONT')
  }

  /** In order. */
  end(): void {
    this.child.stdin!.end()
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }
}

describeWithBroker('a process of a job that was paused, and replaced meanwhile', () => {
  let broker: Broker
  let client: KafkaClient
  let feeder: TopicFeeder
  const folders: string[] = []
  const processes: ElsewhereProcess[] = []

  beforeAll(async () => {
    await build({
      entryPoints: [fileURLToPath(new URL('jobs/elsewhere.ts', import.meta.url))],
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: ['esbuild'],
      outfile: program,
      conditions: ['@tidemark/source'],
      logLevel: 'warning',
    })
    broker = await startBroker()
    client = openClient(broker.bootstrap)
    feeder = new TopicFeeder(broker.bootstrap)
  })
  afterAll(async () => {
    for (const process of processes) process.kill()
    await feeder?.close()
    await client?.close()
    await broker?.stop()
    for (const folder of folders) await rm(folder, { recursive: true, force: true })
  })

  /** Epochs of processes of a job that have transactions open. */
  const openEpochs = async (job: string): Promise<readonly number[]> => {
    const open = await client.listTransactions(`${job}/`, ['Ongoing'])
    return open.map(({ transactionalId }) => parseTransactionName(transactionalId)!.epoch)
  }

  test.each([
    ['in the midst of a transaction', true],
    ['with no transaction open', false],
  ])(
    '%s begins none that readers would wait for, harms nothing of its successor, and ends as fenced',
    async (_when, isWriting) => {
      const job = uniqueName('elsewhere')
      const folder = await realpath(await mkdtemp(join(tmpdir(), 'tidemark-kafka-paused-')))
      folders.push(folder)
      const [words, counts] = [await newTopic(client, 'words', 2), await newTopic(client, 'counts', 2)]
      const start = () => {
        const process = new ElsewhereProcess([job, broker.bootstrap, words, counts, folder])
        processes.push(process)
        return process
      }
      let fed = 0
      const feed = async () => {
        const values = Array.from({ length: 20 * WORDS }, (_, index) => ({ value: `word-${index % WORDS}` }))
        fed += values.length / WORDS
        await feeder.append(words, values)
      }
      const paused = start()
      await feed()
      await paused.told('checkpoint-committed', 1)
      // A transaction may be over before anybody has seen it.
      while ((await openEpochs(job)).includes(1) !== isWriting) if (isWriting) await feed()
      paused.pause()
      const successor = start()
      await successor.told('started', 1)
      expect(await openEpochs(job)).not.toContain(1)
      await feed()
      await successor.told('checkpoint-committed', 2)

      paused.goOn()
      const seen = new Set<number>()
      const watch = { isOver: false }
      const watching = (async () => {
        while (!watch.isOver) {
          for (const epoch of await openEpochs(job)) seen.add(epoch)
        }
      })()
      while (!paused.all('ended').length) {
        await feed()
        await successor.told('checkpoint-committed', 1)
      }
      expect(await paused.ended).toBe(1)
      expect(paused.all('ended')).toMatchObject([{ code: 'FENCED' }])
      await feed()
      await successor.told('checkpoint-committed', 2)
      watch.isOver = true
      await watching
      expect(seen).toEqual(new Set([2]))
      expect(successor.all('attempt-failed')).toEqual([])
      const found = () => readCommitted(broker, counts)
      while ((await found()).length < fed * WORDS) await successor.told('checkpoint-committed', 1)
      successor.end()
      expect(await successor.ended).toBe(0)
      const values = new Map<string, number[]>()
      for (const { key, value } of await found()) {
        values.set(String(key), [...(values.get(String(key)) ?? []), Number(String(value))])
      }
      expect(values.size).toBe(WORDS)
      const expected = Array.from({ length: fed }, (_, index) => index + 1)
      for (const [word, each] of values) expect(each, word).toEqual(expected)
      expect(await openEpochs(job)).toEqual([])
    },
  )
})
