/**
 * npm run example:revenue: orders → revenue per shop, Kafka to Kafka, on a broker of its own. Feeds orders while the job runs, kills the job's process with SIGKILL again and again, and compares
 * what a reader of committed records finds with sums of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { JobEvent } from 'tidemark'
import { startBroker } from '../../test/kafka/broker.ts'
import { missingForBroker } from '../../test/kafka/java-kit.ts'
import { readCommitted } from '../../test/kafka/read-topic.ts'
import { TopicFeeder } from '../../test/kafka/topic-feeder.ts'

const ORDERS = 100_000
const SHOPS = 20
/** Of a thousand orders one is not an order: the job puts it into another topic and goes on. */
const ORDERS_PER_BAD_ONE = 1000
const KILLS = 5

interface Revenue {
  readonly shop: string
  readonly orders: number
  readonly total: number
}

const tell = (line = '') => console.log(line)
const number = (value: number) => value.toLocaleString('en-US')

/** What the topic is fed with, and what has to come out. */
const expected = new Map<string, { orders: number; total: number }>()
let badOnes = 0

function makeOrder(index: number): string {
  if (index % ORDERS_PER_BAD_ONE === ORDERS_PER_BAD_ONE - 1) {
    badOnes++
    return `{"id":"order-${index}","shop":`
  }
  const shop = `shop-${(index * 7919) % SHOPS}`
  const amount = 1 + ((index * 104_729) % 500)
  const before = expected.get(shop) ?? { orders: 0, total: 0 }
  expected.set(shop, { orders: before.orders + 1, total: before.total + amount })
  return JSON.stringify({ id: `order-${index}`, shop, amount })
}

/** The job's process, by the command that users give. */
class JobProcess {
  readonly ended: Promise<void>
  private readonly child: ChildProcess
  private checkpoints = 0
  private onCheckpoint: () => void = () => {}

  constructor(brokers: string, checkpointDir: string) {
    const options = [
      '--parallelism',
      '2',
      '--checkpoint-interval',
      '300ms',
      '--checkpoint-dir',
      checkpointDir,
      '--json',
    ]
    const argv = ['packages/tidemark/bin/tidemark.js', 'run', 'examples/revenue/revenue.ts', ...options]
    this.child = spawn(process.execPath, [...argv, '--set', `brokers=${brokers}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.ended = new Promise((resolve) => {
      this.child.on('close', () => {
        resolve()
        this.onCheckpoint()
      })
    })
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.onEvent(JSON.parse(line) as JobEvent))
  }

  /** Waits until it has completed so many checkpoints, or has ended. */
  async completed(checkpoints: number): Promise<void> {
    while (this.checkpoints < checkpoints && this.child.exitCode === null && this.child.signalCode === null) {
      await new Promise<void>((resolve) => (this.onCheckpoint = resolve))
    }
  }

  kill(signal: 'SIGKILL' | 'SIGTERM'): void {
    this.child.kill(signal)
  }

  private onEvent(event: JobEvent): void {
    if (event.kind === 'started') {
      tell(event.from.kind === 'fresh' ? 'started fresh' : `resumed from checkpoint ${event.from.checkpoint}`)
    } else if (event.kind === 'warning') tell(`warning: ${event.message}`)
    else if (event.kind === 'attempt-failed') tell(`failed: ${event.error.message}`)
    if (event.kind !== 'checkpoint-completed') return
    this.checkpoints++
    this.onCheckpoint()
  }
}

/** Until the job has written as many results as there are orders, or has written nothing new for a while. */
async function results(read: () => Promise<readonly Revenue[]>): Promise<readonly Revenue[]> {
  const wanted = ORDERS - badOnes
  for (let before = -1; ;) {
    const found = await read()
    if (found.length >= wanted || found.length === before) return found
    before = found.length
    await delay(3000)
  }
}

function problems(found: readonly Revenue[], bad: number): readonly string[] {
  const wrong = bad === badOnes ? [] : [`${badOnes} broken orders went in, ${bad} came out`]
  const seen = new Map<string, Revenue>()
  for (const revenue of found) {
    const before = seen.get(revenue.shop)?.orders ?? 0
    if (revenue.orders !== before + 1) wrong.push(`${revenue.shop}: ${revenue.orders} orders after ${before}`)
    seen.set(revenue.shop, revenue)
  }
  for (const [shop, { orders, total }] of expected) {
    const last = seen.get(shop)
    if (last?.orders !== orders || last.total !== total) {
      wrong.push(`${shop}: ${orders} orders with ${total} went in, ${last?.orders} with ${last?.total} came out`)
    }
  }
  return wrong
}

async function show(): Promise<void> {
  tell('Starting a Kafka broker of its own …')
  const broker = await startBroker()
  const feeder = new TopicFeeder(broker.bootstrap)
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-revenue-'))
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  try {
    for (const topic of ['orders', 'orders.bad', 'revenue']) await feeder.createTopic(topic, 4)
    const feeding = (async () => {
      const perTurn = ORDERS / 100
      for (let from = 0; from < ORDERS && !stop.signal.aborted; from += perTurn) {
        const orders = Array.from({ length: perTurn }, (_, index) => ({ value: makeOrder(from + index) }))
        await feeder.append('orders', orders)
        await delay(150)
      }
    })()
    for (let kill = 1; kill <= KILLS && !stop.signal.aborted; kill++) {
      const job = new JobProcess(broker.bootstrap, folder)
      await job.completed(2)
      await delay(1000 * Math.random())
      job.kill('SIGKILL')
      await job.ended
      tell(`\nkilled with SIGKILL (${kill} of ${KILLS}); starting the same command again`)
    }
    const job = new JobProcess(broker.bootstrap, folder)
    await feeding
    const found = await results(async () => {
      const records = await readCommitted(broker, 'revenue')
      return records.map(({ value }) => JSON.parse(value!.toString()) as Revenue)
    })
    job.kill('SIGTERM')
    await job.ended
    const bad = await readCommitted(broker, 'orders.bad')
    tell(`\nOrders       ${number(ORDERS)}, ${badOnes} of them broken: ${bad.length} in the topic orders.bad`)
    tell(`Results      ${number(found.length)} in the topic revenue, read by Kafka's own consumer with read_committed`)
    tell(`Kills        ${KILLS} with SIGKILL`)
    const wrong = problems(found, bad.length)
    if (wrong.length === 0) {
      tell(`\nEvery result is right: ${SHOPS} shops, each order counted exactly once and in order.`)
      return
    }
    tell(`\n${wrong.length} results are WRONG:`)
    for (const line of wrong.slice(0, 20)) tell(`  ${line}`)
    process.exitCode = 1
  } finally {
    await feeder.close()
    await broker.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

const missing = missingForBroker()
if (missing === null) await show()
else {
  tell(missing)
  process.exitCode = 1
}
