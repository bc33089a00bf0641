import nodeAssert from 'node:assert'
import { describe, expect, it } from 'vitest'
import { assert, fromErrorInfo, isOurBug, TidemarkError, toErrorInfo } from './errors.ts'

function thrownBy(action: () => void): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

describe('a bug of ours', () => {
  const bug = thrownBy(() => assert(false, 'cannot be'))

  it('is known as such, also as the cause of another error, and after it has been sent to another thread', () => {
    const caused = new TidemarkError('USER_FUNCTION', 'a record failed', { cause: bug })
    for (const error of [bug, caused]) {
      expect(isOurBug(error)).toBe(true)
      const sent = structuredClone(toErrorInfo(error))
      expect(isOurBug(fromErrorInfo(sent))).toBe(true)
      expect(toErrorInfo(fromErrorInfo(sent))).toEqual(sent)
    }
  })

  it('is not what others call so', () => {
    const theirs = thrownBy(() => nodeAssert.fail('not yours'))
    expect(theirs).toMatchObject({ name: 'AssertionError' })
    expect(isOurBug(theirs)).toBe(false)
    expect(isOurBug(fromErrorInfo(toErrorInfo(theirs)))).toBe(false)
    expect(isOurBug('a string')).toBe(false)
  })

  it('is looked for no deeper than causes go round', () => {
    const round = new Error('round')
    round.cause = round
    expect(isOurBug(round)).toBe(false)
  })
})
