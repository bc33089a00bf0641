import { describe, expect, it } from 'vitest'
import { ALIGNED_CHECKPOINT, type StreamElement } from '../../core/element.ts'
import { checkpointId } from '../../core/ids.ts'
import { LocalChannel } from '../channel/local-channel.ts'
import { ChannelInputGate } from '../input/channel-input-gate.ts'
import { createBarrierHandler } from '../input/create-barrier-handler.ts'
import { Chain } from '../operator/chain.ts'
import { ChannelTaskInput } from './channel-task-input.ts'

function inputOver(elements: readonly StreamElement[]) {
  const channel = new LocalChannel(
    100,
    () => {},
    () => {},
  )
  for (const element of elements) channel.offer(element)
  const handler = createBarrierHandler('exactly-once', { gate: new ChannelInputGate([channel]), monotonic: () => 0 })
  const triggered: number[] = []
  handler.registerCheckpointEventHandler({
    onTrigger: ({ checkpoint }) => triggered.push(checkpoint),
    onAbort: () => {},
  })
  return { input: new ChannelTaskInput(handler, new Chain([], []), [0], null), triggered }
}

const barrier: StreamElement = {
  kind: 'barrier',
  checkpoint: checkpointId(1),
  timestamp: 0,
  options: ALIGNED_CHECKPOINT,
}

describe('the channel input of a task', () => {
  it.each([
    [
      { kind: 'end-of-data', drain: true },
      { kind: 'ended', drain: true },
    ],
    [
      { kind: 'watermark', timestamp: 7 },
      { kind: 'watermark', timestamp: 7 },
    ],
  ] as const)('lets the task serve a barrier before the %o behind it takes effect', (element, effect) => {
    const { input, triggered } = inputOver([barrier, element])
    expect(input.advance(10)).toEqual({ kind: 'worked' })
    expect(triggered).toEqual([1])
    expect(input.advance(10)).toEqual(effect)
  })

  it('ends when every channel has ended, and is exhausted after the last end of partition', () => {
    const { input } = inputOver([{ kind: 'end-of-data', drain: true }, { kind: 'end-of-partition' }])
    const seen = Array.from({ length: 6 }, () => input.advance(1).kind)
    expect(seen.filter((kind) => kind === 'ended')).toHaveLength(1)
    expect(input.isExhausted).toBe(true)
  })
})
