import { describe, expect, it } from 'vitest'
import { ALIGNED_CHECKPOINT, END_OF_PARTITION, recordBatch, type StreamElement } from '../../core/element.ts'
import { attempt, checkpointId, operatorId, taskId } from '../../core/ids.ts'
import type { CheckpointMode } from '../../core/options.ts'
import { EdgeWriter } from '../channel/edge-writer.ts'
import { LocalChannel } from '../channel/local-channel.ts'
import type { TaskCheckpointStorage } from '../checkpoint/contract.ts'
import { ChannelInputGate } from '../input/channel-input-gate.ts'
import { createBarrierHandler } from '../input/create-barrier-handler.ts'
import { BatchCollector } from '../operator/batch-collector.ts'
import { Chain } from '../operator/chain.ts'
import type { Operator } from '../operator/contract.ts'
import type { FromTaskHost } from '../worker/protocol.ts'
import { ChannelTaskInput } from './channel-task-input.ts'
import { Task } from './task.ts'

const none = () => {}
const noStorage: TaskCheckpointStorage = {
  createStateFile: () => Promise.reject(new Error('no state is so large')),
  read: () => Promise.reject(new Error('nothing is restored')),
  readRange: () => Promise.reject(new Error('nothing is restored')),
}

/** Writes down what is done to it, and passes records on. */
function recording(name: string, calls: string[], out: BatchCollector): Operator {
  const note =
    (what: string) =>
    (...details: readonly unknown[]): void =>
      void calls.push([name, what, ...details].join(' '))
  return {
    open: note('open'),
    process(_input, batch, from, to) {
      for (let index = from; index < to; index++) out.emit(batch.values[index], Number.NaN, index)
      note('records')(batch.values.slice(from, to).join(' '))
      return to
    },
    onWatermark: note('watermark'),
    endInput: note('end-input'),
    finish: note('finish'),
    prepareBarrier: note('prepare'),
    snapshot(checkpoint) {
      note('snapshot')(checkpoint)
      return {}
    },
    notifyComplete: note('complete'),
    notifyAborted: note('aborted'),
    notifyCommitted: note('committed'),
    close: note('close'),
  }
}

/** A task of two operators over two channels, and a channel behind it. */
function makeTask(mode: CheckpointMode = 'exactly-once') {
  const calls: string[] = []
  const sent: FromTaskHost[] = []
  let isAwake = false
  const inputs = [0, 1].map(() => new LocalChannel(100, none, none))
  const behind = new LocalChannel(100, none, none)
  const writer = new EdgeWriter([behind], null, 1)
  const collectors = ['first', 'second'].map((name) => new BatchCollector(name, 10, true))
  const chain = new Chain(
    [
      {
        id: operatorId('first'),
        operator: recording('first', calls, collectors[0]!),
        keyedState: null,
        outputs: [collectors[0]!],
        targets: [[{ kind: 'node', node: 1, input: 0 }]],
      },
      {
        id: operatorId('second'),
        operator: recording('second', calls, collectors[1]!),
        keyedState: null,
        outputs: [collectors[1]!],
        targets: [[{ kind: 'edge', writer }]],
      },
    ],
    [writer],
  )
  const clock = { now: () => 0, monotonic: () => 0, schedule: () => none, defer: () => none }
  const task = new Task(
    {
      task: taskId('first', 0),
      vertex: 'first',
      subtask: 0,
      attempt: attempt(1),
      clock,
      storage: noStorage,
      batchSize: 10,
      send: (message) => sent.push(message),
      wake: () => (isAwake = true),
    },
    chain,
    null,
  )
  const handler = createBarrierHandler(mode, { gate: new ChannelInputGate(inputs), monotonic: () => 0 })
  handler.registerCheckpointEventHandler(task)
  task.attachInput(new ChannelTaskInput(handler, chain, [0, 1], null))
  task.start()
  return {
    task,
    calls,
    sent,
    feed: (channel: number, ...elements: readonly StreamElement[]) => {
      for (const element of elements) inputs[channel]!.offer(element)
      isAwake = true
    },
    /** As the scheduler does: a step that did nothing is the last until somebody wakes the task. */
    run: async () => {
      do {
        const wasAwake = isAwake
        isAwake = false
        if (wasAwake) while (task.step());
        await new Promise<void>((resolve) => void setImmediate(resolve))
      } while (isAwake)
    },
    passedOn: () => {
      const elements: StreamElement[] = []
      for (let element = behind.poll(); element !== undefined; element = behind.poll()) elements.push(element)
      return elements
    },
  }
}

const barrier = (id: number): StreamElement => ({
  kind: 'barrier',
  checkpoint: checkpointId(id),
  timestamp: 0,
  options: ALIGNED_CHECKPOINT,
})
const END: readonly StreamElement[] = [
  { kind: 'watermark', timestamp: Number.POSITIVE_INFINITY },
  { kind: 'end-of-data', drain: true },
]

describe('the life cycle of a task (scenario 20)', () => {
  it('is: the end of time, the end of each input, finish, a last snapshot, close; each once, from the first operator to the last', async () => {
    const { task, calls, sent, feed, run, passedOn } = makeTask()
    feed(0, recordBatch([1]), ...END)
    await run()
    expect(calls.splice(0)).toEqual(['first records 1', 'second records 1', 'first end-input 0'])
    feed(1, recordBatch([2]), ...END)
    await run()
    expect(calls.splice(0)).toEqual([
      'first records 2',
      'second records 2',
      'first watermark Infinity',
      'second watermark Infinity',
      'first end-input 1',
      'first finish',
      'second end-input 0',
      'second finish',
    ])
    expect(sent.splice(0)).toMatchObject([{ kind: 'data-finished' }])
    feed(0, barrier(1))
    feed(1, barrier(1))
    await run()
    expect(calls.splice(0)).toEqual(['first prepare 1', 'second prepare 1', 'first snapshot 1', 'second snapshot 1'])
    expect(sent.splice(0)).toMatchObject([{ kind: 'acknowledge', snapshot: { isFinished: true } }])
    task.receive({ kind: 'release' })
    feed(0, END_OF_PARTITION)
    feed(1, END_OF_PARTITION)
    await run()
    expect(calls.splice(0)).toEqual(['first close', 'second close'])
    expect(sent).toMatchObject([{ kind: 'finished' }])
    expect(passedOn().map(({ kind }) => kind)).toEqual([
      'records',
      'records',
      'watermark',
      'end-of-data',
      'barrier',
      'end-of-partition',
    ])
  })

  it('closes once after a cancel and after a failure, without finish', async () => {
    for (const how of ['cancel', 'fail'] as const) {
      const { task, calls, sent, feed, run } = makeTask()
      feed(0, recordBatch([1]))
      await run()
      if (how === 'cancel') task.cancel()
      else task.fail(new Error('broken'))
      task.cancel()
      await run()
      expect(calls.slice(2)).toEqual(['first close', 'second close'])
      expect(sent).toMatchObject([{ kind: how === 'cancel' ? 'canceled' : 'failed' }])
    }
  })
})

describe('a barrier', () => {
  it('is served also when nothing comes behind it', async () => {
    const { sent, feed, run, passedOn } = makeTask()
    feed(0, barrier(1))
    feed(1, barrier(1))
    await run()
    expect(sent).toMatchObject([{ kind: 'acknowledge', checkpoint: 1 }])
    expect(passedOn()).toMatchObject([{ kind: 'barrier', checkpoint: 1 }])
  })

  it('blocks its channel until all have come (exactly once), and no channel ever (at least once)', async () => {
    for (const [mode, before] of [
      ['exactly-once', ['2']],
      ['at-least-once', ['1', '2']],
    ] as const) {
      const { calls, feed, run } = makeTask(mode)
      feed(0, barrier(1), recordBatch([1]))
      feed(1, recordBatch([2]))
      await run()
      expect(
        calls
          .filter((call) => call.startsWith('first records'))
          .map((call) => call.slice(-1))
          .toSorted(),
      ).toEqual(before)
      feed(1, barrier(1))
      await run()
      expect(calls.filter((call) => call.startsWith('first records'))).toHaveLength(2)
      expect(calls).toContain('second snapshot 1')
    }
  })
})

describe('the abort of a checkpoint (scenario 12)', () => {
  it('reaches every operator once and everybody downstream, unblocks the channels, and is not answered', async () => {
    const { task, calls, sent, feed, run, passedOn } = makeTask()
    feed(0, barrier(1), recordBatch([1]))
    await run()
    task.receive({ kind: 'aborted', checkpoint: checkpointId(1) })
    await run()
    expect(calls).toEqual(expect.arrayContaining(['first aborted 1', 'second aborted 1', 'first records 1']))
    expect(calls.filter((call) => call.endsWith('aborted 1'))).toHaveLength(2)
    expect(passedOn().map(({ kind }) => kind)).toEqual(expect.arrayContaining(['cancel-checkpoint', 'records']))
    // Its barrier comes late; the next checkpoint works.
    feed(1, barrier(1), barrier(2))
    feed(0, barrier(2))
    await run()
    expect(calls.filter((call) => call.includes('snapshot'))).toEqual(['first snapshot 2', 'second snapshot 2'])
    expect(sent).toMatchObject([{ kind: 'acknowledge', checkpoint: 2 }])
  })

  it('by a marker from upstream is passed on and declined', async () => {
    const { calls, sent, feed, run, passedOn } = makeTask()
    feed(0, barrier(1))
    feed(1, { kind: 'cancel-checkpoint', checkpoint: checkpointId(1) })
    await run()
    expect(sent).toMatchObject([{ kind: 'decline', checkpoint: 1, reason: 'cancellation-barrier' }])
    expect(passedOn()).toMatchObject([{ kind: 'cancel-checkpoint', checkpoint: 1 }])
    expect(calls).toEqual([])
  })

  it('after the snapshot was taken withdraws it', async () => {
    const { task, sent, feed, run } = makeTask()
    task.receive({ kind: 'aborted', checkpoint: checkpointId(3) })
    feed(0, barrier(3))
    feed(1, barrier(3))
    await run()
    expect(sent.filter(({ kind }) => kind === 'acknowledge')).toEqual([])
  })
})

describe('what is told of checkpoints', () => {
  it('reaches every operator, in order', async () => {
    const { task, calls, run } = makeTask()
    task.receive({ kind: 'complete', checkpoint: checkpointId(4) })
    task.receive({ kind: 'committed', checkpoint: checkpointId(4) })
    await run()
    expect(calls).toEqual(['first complete 4', 'second complete 4', 'first committed 4', 'second committed 4'])
  })
})
