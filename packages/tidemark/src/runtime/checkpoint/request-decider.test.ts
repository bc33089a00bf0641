import { describe, expect, it } from 'vitest'
import { type CheckpointRequest, MAX_QUEUED_REQUESTS, RequestDecider, type TriggerFacts } from './request-decider.ts'

const OPTIONS = { intervalMs: 1000, minPauseMs: 0, maxConcurrent: 1 }

function facts(changes: Partial<TriggerFacts> = {}): TriggerFacts {
  return { at: 0, pending: 0, finalDueAt: null, isAllDataFinished: false, ...changes }
}

function request(token: number, kind: 'savepoint' | 'forced' | 'user'): CheckpointRequest {
  return { token, purpose: kind === 'savepoint' ? 'savepoint' : 'checkpoint', isForced: kind !== 'user' }
}

function order(decider: RequestDecider, given: TriggerFacts): readonly (number | null)[] {
  const tokens: (number | null)[] = []
  for (let decision = decider.next(given); decision !== null; decision = decider.next(given)) {
    tokens.push(decision.request?.token ?? null)
  }
  return tokens
}

describe('scenario 9: the queue of requests', () => {
  it('puts savepoints before forced before other requests before the periodic one, each in order of arrival', () => {
    const decider = new RequestDecider(OPTIONS)
    decider.start(0)
    for (const [token, kind] of [
      [1, 'user'],
      [2, 'forced'],
      [3, 'user'],
      [4, 'savepoint'],
      [5, 'forced'],
      [6, 'savepoint'],
    ] as const)
      decider.submit(request(token, kind))
    expect(order(decider, facts({ at: 1000 }))).toEqual([4, 6, 2, 5, 1, 3, null])
  })

  it('lets forced requests and savepoints pass when there is no room, nothing else', () => {
    const decider = new RequestDecider(OPTIONS)
    decider.start(0)
    decider.submit(request(1, 'user'))
    decider.submit(request(2, 'savepoint'))
    decider.submit(request(3, 'forced'))
    const full = facts({ at: 5000, pending: 1 })
    expect(order(decider, full)).toEqual([2, 3])
    expect(decider.deadline(full)).toBeNull()
    expect(order(decider, facts({ at: 5000 }))).toEqual([1, null])
  })

  it('refuses the 1001st request and displaces nobody', () => {
    const decider = new RequestDecider(OPTIONS)
    for (let token = 0; token < MAX_QUEUED_REQUESTS; token++) expect(decider.submit(request(token, 'user'))).toBe(true)
    expect(decider.submit(request(-1, 'savepoint'))).toBe(false)
    expect(decider.drain().map(({ token }) => token)).toEqual(Array.from({ length: 1000 }, (_, token) => token))
    expect(decider.submit(request(7, 'user'))).toBe(true)
  })
})

describe('the periodic checkpoint', () => {
  it('is never due more often than the pause allows', () => {
    const decider = new RequestDecider({ ...OPTIONS, intervalMs: 10, minPauseMs: 500 })
    decider.start(0)
    expect(decider.deadline(facts())).toBe(500)
  })

  it('that had to wait starts the interval anew', () => {
    const decider = new RequestDecider(OPTIONS)
    decider.start(0)
    expect(decider.next(facts({ at: 1000, pending: 1 }))).toBeNull()
    expect(decider.next(facts({ at: 1400 }))).toEqual({ request: null })
    expect(decider.deadline(facts({ at: 1400 }))).toBe(2400)
  })

  it('makes way for the last checkpoint when all input has ended', () => {
    const decider = new RequestDecider(OPTIONS)
    decider.start(0)
    expect(decider.next(facts({ at: 5000, isAllDataFinished: true }))).toBeNull()
    const due = facts({ at: 5000, isAllDataFinished: true, finalDueAt: 5100 })
    expect(decider.next(due)).toBeNull()
    expect(decider.deadline(due)).toBe(5100)
    expect(decider.next({ ...due, at: 5100 })).toEqual({ request: null })
  })
})
