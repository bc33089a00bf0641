import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JobEvent } from '../../packages/tidemark/src/runtime/job/contract.ts'
import { SeededRandom } from '../../packages/tidemark/src/testing/simulator/seeded-random.ts'
import { type Broker, startBroker } from './broker.ts'
import { describeWithBroker } from './describe-with-broker.ts'
import { KILL_VARIABLE } from './jobs/kill-step.ts'
import { readCommitted } from './read-topic.ts'
import { TopicFeeder } from './topic-feeder.ts'

const TIMEOUT_MS = 400_000
const PARTITIONS = 4
const RECORDS = 200_000
const WORDS = 1000
const RANDOM_KILLS = 4
const repository = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

type ProcessEvent = JobEvent | { readonly kind: 'result' | 'error' | 'metrics' | 'notice' }

/** The job in a process of its own, by the command line that users have. */
class JobProcess {
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null; readonly stderr: string }>
  readonly events: ProcessEvent[] = []
  private readonly child: ChildProcess
  private listeners: (() => void)[] = []

  constructor(folder: string, bootstrap: string, kill: string | null) {
    const options = [
      '--parallelism',
      '2',
      '--workers',
      '2',
      '--checkpoint-interval',
      '300ms',
      '--checkpoint-dir',
      folder,
    ]
    const argv = ['run', repository('test/kafka/jobs/counting.ts'), ...options, '--json', '--no-live']
    const given = [
      '--brokers',
      bootstrap,
      '--partitions',
      String(PARTITIONS),
      '--offsets',
      String(RECORDS / PARTITIONS),
    ]
    const child = spawn(process.execPath, [repository('packages/tidemark/bin/tidemark.js'), ...argv, '--', ...given], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...(kill === null ? {} : { [KILL_VARIABLE]: kill }) },
    })
    this.child = child
    let stderr = ''
    let rest = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      this.events.push(...lines.map((line) => JSON.parse(line) as ProcessEvent))
      this.wakeListeners()
    })
    this.ended = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        resolve({ code, signal, stderr })
        this.wakeListeners()
      })
    })
  }

  count(kind: ProcessEvent['kind']): number {
    return this.events.filter((event) => event.kind === kind).length
  }

  /** Waits until it has told so many events of a kind, or has ended. */
  async told(kind: ProcessEvent['kind'], count: number): Promise<void> {
    while (this.count(kind) < count && this.child.exitCode === null && this.child.signalCode === null) {
      await new Promise<void>((resolve) => void this.listeners.push(resolve))
    }
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }

  private wakeListeners(): void {
    for (const listener of this.listeners.splice(0)) listener()
  }
}

describeWithBroker('Kafka to Kafka in a process that is killed', () => {
  let broker: Broker
  let feeder: TopicFeeder
  let folder: string

  beforeAll(async () => {
    broker = await startBroker()
    feeder = new TopicFeeder(broker.bootstrap)
    await feeder.createTopic('words', PARTITIONS)
    await feeder.createTopic('counts', PARTITIONS)
    folder = await realpath(await mkdtemp(join(tmpdir(), 'tidemark-kafka-kill-')))
  }, TIMEOUT_MS)

  afterAll(async () => {
    await feeder?.close()
    await broker?.stop()
    await rm(folder, { recursive: true, force: true })
  }, TIMEOUT_MS)

  const STEPS = [
    'pre-committed:1',
    'before-commit:2',
    'half-committed:1',
    'committed:2',
    'aborting:1',
    'pre-committed:4',
    'half-committed:3',
    'before-commit:1',
  ]

  test(
    'every count arrives exactly once, through kills of the job at every step of a commit and at random, and two kills of the broker',
    async () => {
      const random = new SeededRandom(5)
      const expected = new Map<string, number>()
      let fed = 0
      const feed = async (count: number) => {
        const words = Array.from(
          { length: Math.min(count, RECORDS - fed) },
          () => `word-${Math.floor(random.next() * WORDS)}`,
        )
        for (const word of words) expected.set(word, (expected.get(word) ?? 0) + 1)
        fed += words.length
        // Round robin, so that each partition ends with its share.
        await feeder.append(
          'words',
          words.map((value) => ({ value })),
        )
      }
      const share = Math.floor(RECORDS / 15)
      await feed(share)
      let restores = 0
      /** Feeds while the process lives; gives how it ended. */
      const live = async (job: JobProcess, isOver: () => boolean) => {
        let checkpoints = 0
        while (!isOver()) {
          await job.told('checkpoint-completed', ++checkpoints)
          if (fed < RECORDS) await feed(share / 8)
          if (await Promise.race([job.ended.then(() => true), delay(0, false)])) break
        }
        const { signal, stderr } = await job.ended
        // What it said last explains an end that nobody asked for.
        if (signal === null) console.error(JSON.stringify(job.events.slice(-3)))
        const started = job.events.find((event) => event.kind === 'started')
        if (started?.kind === 'started' && started.from.kind === 'restored') restores++
        return { signal, stderr }
      }
      for (const step of STEPS) {
        const job = new JobProcess(folder, broker.bootstrap, step)
        expect(await live(job, () => false), step).toEqual({ signal: 'SIGKILL', stderr: '' })
      }
      for (let time = 0; time < RANDOM_KILLS; time++) {
        const job = new JobProcess(folder, broker.bootstrap, null)
        const last = live(job, () => false)
        await job.told('checkpoint-completed', 1 + time)
        await delay(random.next() * 300)
        job.kill()
        expect((await last).signal, `random kill ${time}`).toBe('SIGKILL')
      }
      // The broker dies twice; the job goes on by itself, or starts again by itself.
      const job = new JobProcess(folder, broker.bootstrap, null)
      for (let time = 0; time < 2; time++) {
        await job.told('checkpoint-completed', job.count('checkpoint-completed') + 2)
        await broker.kill()
        await broker.restart()
        await feed(share)
      }
      await feed(RECORDS)
      const { code, stderr } = await job.ended
      expect({ code, stderr }).toMatchObject({ code: 0 })
      // Those that live until they say so: the first has nothing to restore, the second not always, and three die while they recover.
      expect(restores).toBeGreaterThanOrEqual(STEPS.length - 5 + RANDOM_KILLS - 1)

      expect(await feeder.openTransactions()).toEqual([])
      const counts = new Map<string, number[]>()
      for (const { key, value } of await readCommitted(broker, 'counts')) {
        const word = key!.toString()
        const values = counts.get(word) ?? []
        values.push(Number(value!.toString()))
        counts.set(word, values)
      }
      expect(counts.size).toBe(expected.size)
      for (const [word, total] of expected) {
        const values = counts.get(word)!
        expect(values.length, word).toBe(total)
        // In order, too: a key's counts are written by one task at a time.
        if (values.some((value, index) => value !== index + 1)) throw new Error(`${word}: ${values.join(' ')}`)
      }
    },
    TIMEOUT_MS,
  )
})
