import { describe, expect, it } from 'vitest'
import { checkpointId } from '../../core/ids.ts'
import { FailureCounter } from './failure-counter.ts'

const fail = (counter: FailureCounter, id: number) => counter.onFailure(checkpointId(id), 'checkpoint', 'expired')

describe('scenario 11: the failure counter', () => {
  it('counts each checkpoint once', () => {
    const counter = new FailureCounter(1)
    expect([fail(counter, 1), fail(counter, 1), fail(counter, 2)]).toEqual([false, false, true])
  })

  it('tolerates none when none is to be tolerated', () => {
    expect(fail(new FailureCounter(0), 1)).toBe(true)
  })

  it('starts again after it was exceeded', () => {
    const counter = new FailureCounter(1)
    expect([1, 2, 3, 4].map((id) => fail(counter, id))).toEqual([false, true, false, true])
  })

  it('ignores what is older than the last success, and a success older than the last one', () => {
    const counter = new FailureCounter(1)
    counter.onSuccess(checkpointId(5))
    expect([fail(counter, 4), fail(counter, 5), fail(counter, 6)]).toEqual([false, false, false])
    counter.onSuccess(checkpointId(3))
    expect(fail(counter, 7)).toBe(true)
  })
})
