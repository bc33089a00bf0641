import { describe, expect, it } from 'vitest'
import { END_OF_PARTITION, recordBatch } from '../../core/element.ts'
import { channelIndex } from '../../core/ids.ts'
import { LocalChannel } from '../channel/local-channel.ts'
import { ChannelInputGate } from './channel-input-gate.ts'

function make(count: number) {
  const channels = Array.from(
    { length: count },
    () =>
      new LocalChannel(
        100,
        () => {},
        () => {},
      ),
  )
  return { channels, gate: new ChannelInputGate(channels) }
}

describe('the gate over channels', () => {
  it('takes turns among the channels that have something', () => {
    const { channels, gate } = make(3)
    for (let round = 0; round < 2; round++) {
      channels[0]!.offer(recordBatch([`a${round}`]))
      channels[2]!.offer(recordBatch([`c${round}`]))
    }
    const order = Array.from({ length: 4 }, () => gate.poll()).map((next) =>
      typeof next === 'string' ? next : Number(next.channel),
    )
    expect(order).toEqual([0, 2, 0, 2])
    expect(gate.poll()).toBe('nothing-now')
  })

  it('does not read a blocked channel, and reads on where it was once unblocked', () => {
    const { channels, gate } = make(2)
    channels[0]!.offer(recordBatch(['kept']))
    gate.block(channelIndex(0))
    expect(gate.poll()).toBe('nothing-now')
    expect(channels[0]!.isEmpty()).toBe(false)
    gate.unblock(channelIndex(0))
    expect(gate.poll()).toMatchObject({ channel: 0 })
  })

  it('is finished when every channel has ended, not before', () => {
    const { channels, gate } = make(2)
    channels[0]!.offer(END_OF_PARTITION)
    expect(gate.poll()).toMatchObject({ element: END_OF_PARTITION })
    expect(gate.poll()).toBe('nothing-now')
    channels[1]!.offer(END_OF_PARTITION)
    gate.poll()
    expect(gate.poll()).toBe('finished')
    expect(gate.poll()).toBe('finished')
  })
})
