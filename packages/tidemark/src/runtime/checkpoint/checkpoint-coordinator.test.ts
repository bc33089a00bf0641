import { describe, expect, it } from 'vitest'
import { attempt, checkpointId } from '../../core/ids.ts'
import { CoordinatorDriver, TWO_BY_TWO } from '../../testing/simulator/coordinator-driver.ts'

const ALL = ['a#0', 'a#1', 'b#0', 'b#1']

function started(...options: ConstructorParameters<typeof CoordinatorDriver>): CoordinatorDriver {
  const driver = new CoordinatorDriver(...options)
  driver.start()
  return driver
}

/** Triggers the next checkpoint by request and lets every task acknowledge it. */
function complete(driver: CoordinatorDriver, checkpoint: number): readonly string[] {
  driver.request(1000 + checkpoint)
  return [...driver.acknowledge(checkpoint, ...ALL), ...driver.written(checkpoint)]
}

describe('a checkpoint', () => {
  it('goes from trigger over acknowledgements and manifest to completion', () => {
    const driver = started()
    expect(driver.pass(1000)).toEqual(['trigger 1 at a#0 a#1'])
    expect(driver.last('trigger')).toMatchObject({
      timestamp: 1_001_000,
      options: { purpose: 'checkpoint', alignment: 'aligned' },
    })
    expect(driver.acknowledge(1, 'a#0', 'b#1', 'a#1')).toEqual([])
    expect(driver.acknowledge(1, 'b#0')).toEqual(['write-manifest 1'])
    const write = driver.last('write-manifest')!
    expect([...write.snapshots.keys()].toSorted()).toEqual(ALL)
    expect(write).toMatchObject({ triggeredAt: 1_001_000, isFinal: false, purpose: 'checkpoint' })
    expect(driver.written(1)).toEqual(['notify-complete 1'])
  })

  it('keeps the newest ones and retires an older one only when the newer one is durable', () => {
    const driver = new CoordinatorDriver({ retained: 2, firstCheckpoint: checkpointId(6) })
    driver.start(TWO_BY_TWO, [4, 5])
    driver.request(1)
    expect(driver.acknowledge(6, ...ALL)).toEqual(['write-manifest 6'])
    expect(driver.written(6)).toEqual(['notify-complete 6', 'retire 4', 'request-done 1 by 6'])
    expect(complete(driver, 7)).toContain('retire 5')
  })

  it('retires at once what an earlier process kept too many of, but only behind a new one', () => {
    const driver = new CoordinatorDriver({ firstCheckpoint: checkpointId(6) })
    expect(driver.start(TWO_BY_TWO, [3, 4, 5])).toEqual([])
    expect(complete(driver, 6).filter((line) => line.startsWith('retire'))).toEqual([
      'retire 3',
      'retire 4',
      'retire 5',
    ])
  })

  it('is written alone: a newer one that is ready waits for its turn', () => {
    const driver = started({ maxConcurrent: 3 })
    driver.request(1)
    driver.request(2)
    driver.acknowledge(1, ...ALL)
    expect(driver.acknowledge(2, ...ALL)).toEqual([])
    expect(driver.written(1)).toEqual(['notify-complete 1', 'request-done 1 by 1', 'write-manifest 2'])
    expect(driver.written(2)).toEqual(['notify-complete 2', 'retire 1', 'request-done 2 by 2'])
  })

  it('uses no id twice, also after aborts and over attempts', () => {
    const driver = started({ tolerableFailures: 9 })
    driver.request(1)
    driver.decline(1, 'a#0')
    driver.request(2)
    driver.stop()
    driver.attempt = attempt(2)
    driver.start()
    expect(driver.request(3)).toEqual(['trigger 3 at a#0 a#1'])
  })
})

describe('scenario 8: subsumption', () => {
  it('drops an older pending checkpoint when a newer one completes, and discards what comes late for it', () => {
    const driver = started({ maxConcurrent: 2 })
    driver.request(1)
    driver.request(2)
    driver.acknowledge(1, 'a#0')
    expect(driver.acknowledge(2, ...ALL)).toEqual(['write-manifest 2'])
    expect(driver.written(2)).toEqual([
      'notify-aborted 1 subsumed',
      'discard 1',
      'request-done 1 by 2',
      'notify-complete 2',
      'request-done 2 by 2',
    ])
    expect(driver.acknowledge(1, 'b#0')).toEqual(['discard-snapshot 1 b#0'])
  })

  it('never touches a pending savepoint, which still completes later without telling anybody', () => {
    const driver = started({ maxConcurrent: 3 })
    expect(driver.request(1, 'savepoint')).toEqual(['trigger savepoint 1 at a#0 a#1'])
    driver.request(2)
    driver.request(3)
    driver.acknowledge(3, ...ALL)
    expect(driver.written(3)).toEqual([
      'notify-aborted 2 subsumed',
      'discard 2',
      'request-done 2 by 3',
      'notify-complete 3',
      'request-done 3 by 3',
    ])
    driver.acknowledge(1, ...ALL)
    expect(driver.written(1)).toEqual(['request-done 1 by 1'])
  })

  it('does not let a savepoint subsume or retire a checkpoint', () => {
    const driver = started({ maxConcurrent: 3 })
    complete(driver, 1)
    driver.request(1)
    driver.request(2, 'savepoint')
    driver.acknowledge(3, ...ALL)
    expect(driver.written(3)).toEqual(['request-done 2 by 3'])
    expect(driver.acknowledge(2, ...ALL)).toEqual(['write-manifest 2'])
    expect(driver.written(2)).toEqual(['notify-complete 2', 'retire 1', 'request-done 1 by 2'])
  })

  it('spares a checkpoint while its manifest is being written', () => {
    const driver = started({ maxConcurrent: 2, timeoutMs: 100 })
    driver.request(1)
    driver.acknowledge(1, ...ALL)
    driver.request(2)
    driver.acknowledge(2, ...ALL)
    expect(driver.pass(500)).toEqual([])
    expect(driver.decline(1, 'a#0')).toEqual([])
    expect(driver.written(1)).toEqual(['notify-complete 1', 'request-done 1 by 1', 'write-manifest 2'])
  })
})

describe('scenario 9: when checkpoints are triggered', () => {
  it.each([1, 2, 5])('never has more than %i under way', (maxConcurrent) => {
    const driver = started({ maxConcurrent })
    for (let id = 1; id <= maxConcurrent; id++) expect(driver.pass(1000)).toEqual([`trigger ${id} at a#0 a#1`])
    expect(driver.pass(1000)).toEqual([])
    driver.acknowledge(1, ...ALL)
    expect(driver.written(1)).toEqual(['notify-complete 1', `trigger ${maxConcurrent + 1} at a#0 a#1`])
  })

  it('fills the room that subsumption makes', () => {
    const driver = started({ maxConcurrent: 2 })
    driver.pass(1000)
    driver.pass(1000)
    driver.pass(1000)
    driver.acknowledge(2, ...ALL)
    expect(driver.written(2)).toEqual([
      'notify-aborted 1 subsumed',
      'discard 1',
      'notify-complete 2',
      'trigger 3 at a#0 a#1',
    ])
    expect(driver.pass(1000)).toEqual(['trigger 4 at a#0 a#1'])
  })

  it('counts the pause from the completion of the last checkpoint', () => {
    const driver = started({ intervalMs: 10, minPauseMs: 1000 })
    driver.pass(1000)
    driver.pass(400)
    driver.acknowledge(1, ...ALL)
    driver.written(1)
    expect(driver.wakeAt).toBe(2400)
    expect(driver.pass(500)).toEqual([])
    expect(driver.pass(499)).toEqual([])
    expect(driver.pass(1)).toEqual(['trigger 2 at a#0 a#1'])
  })

  it('lets requests ignore interval and pause', () => {
    const driver = started({ minPauseMs: 5000 })
    complete(driver, 1)
    expect(driver.request(1)).toEqual(['trigger 2 at a#0 a#1'])
    expect(driver.request(2, 'savepoint')).toEqual(['trigger savepoint 3 at a#0 a#1'])
  })

  it('takes the completion of a savepoint for no reason to pause', () => {
    const driver = started({ minPauseMs: 1000 })
    driver.request(1, 'savepoint')
    driver.pass(900)
    driver.acknowledge(1, ...ALL)
    driver.written(1)
    expect(driver.pass(100)).toEqual(['trigger 2 at a#0 a#1'])
  })

  it('keeps its rate though ticks come late, and does not catch up on what it missed', () => {
    const driver = started({ maxConcurrent: 9 })
    expect(driver.pass(1003)).toEqual(['trigger 1 at a#0 a#1'])
    expect(driver.wakeAt).toBe(2000)
    expect(driver.pass(997)).toEqual(['trigger 2 at a#0 a#1'])
    expect(driver.pass(5500)).toEqual(['trigger 3 at a#0 a#1'])
    expect(driver.wakeAt).toBe(8500)
  })

  it('asks to be woken for the earliest deadline', () => {
    const driver = started({ timeoutMs: 1500, maxConcurrent: 2, tolerableFailures: 9 })
    expect(driver.wakeAt).toBe(1000)
    driver.pass(1000)
    expect(driver.wakeAt).toBe(2000)
    driver.pass(1000)
    expect(driver.wakeAt).toBe(2500)
    expect(driver.pass(500)).toEqual(['notify-aborted 1 expired', 'discard 1'])
    expect(driver.wakeAt).toBe(3000)
  })

  it('does not ask again while the earliest deadline stays the same, but after a tick that came early', () => {
    const driver = started()
    const asked = () => driver.actions.filter(({ kind }) => kind === 'wake-at').length
    driver.dataFinished('a#0')
    expect(asked()).toBe(1)
    driver.pass(10)
    expect([asked(), driver.wakeAt]).toEqual([2, 1000])
  })

  it('triggers nothing by itself without an interval', () => {
    const driver = started({ intervalMs: null })
    expect(driver.wakeAt).toBeNull()
    expect(driver.pass(100_000)).toEqual([])
    expect(driver.request(1)).toEqual(['trigger 1 at a#0 a#1'])
  })

  it('fails requests while no attempt runs, and those that wait when it stops', () => {
    const driver = new CoordinatorDriver()
    expect(driver.request(1)).toEqual(['request-failed 1'])
    driver.start()
    driver.request(2)
    driver.request(3)
    expect(driver.stop()).toEqual([
      'notify-aborted 1 attempt-stopped',
      'discard 1',
      'request-failed 2',
      'request-failed 3',
    ])
    expect(driver.last('request-failed')!.error.code).toBe('CHECKPOINT_FAILED')
  })
})

describe('scenario 10: late, repeated and foreign messages', () => {
  it('ignores a repeated acknowledgement and keeps its state, before and after completion', () => {
    const driver = started({ maxConcurrent: 2 })
    driver.request(1)
    driver.acknowledge(1, 'a#0')
    expect(driver.acknowledge(1, 'a#0')).toEqual([])
    driver.acknowledge(1, 'a#1', 'b#0', 'b#1')
    expect(driver.acknowledge(1, 'a#0')).toEqual([])
    driver.written(1)
    expect(driver.acknowledge(1, 'a#0')).toEqual([])
    driver.stop()
    expect(driver.acknowledge(1, 'a#0')).toEqual([])
  })

  it('keeps the state of a complete checkpoint when another attempt repeats itself', () => {
    const driver = started()
    complete(driver, 1)
    driver.stop()
    driver.attempt = attempt(2)
    driver.start(TWO_BY_TWO, [1])
    driver.attempt = attempt(1)
    expect(driver.acknowledge(1, 'a#0')).toEqual([])
  })

  it('touches nothing of a checkpoint that an earlier process completed', () => {
    const driver = new CoordinatorDriver({ firstCheckpoint: checkpointId(6) })
    driver.start(TWO_BY_TWO, [5])
    expect(driver.acknowledge(5, 'a#0')).toEqual([])
  })

  it('discards what another attempt sends for a complete checkpoint that it had no part in', () => {
    const driver = started()
    complete(driver, 1)
    driver.attempt = attempt(7)
    expect(driver.acknowledge(1, 'a#0')).toEqual(['discard-snapshot 1 a#0'])
  })

  it('discards the state of an unknown attempt, task or checkpoint', () => {
    const driver = started()
    driver.request(1)
    expect(driver.acknowledge(1, 'c#0')).toEqual(['discard-snapshot 1 c#0'])
    expect(driver.acknowledge(9, 'a#0')).toEqual(['discard-snapshot 9 a#0'])
    driver.attempt = attempt(7)
    expect(driver.acknowledge(1, 'a#0')).toEqual(['discard-snapshot 1 a#0'])
    driver.attempt = attempt(1)
    expect(driver.acknowledge(1, ...ALL)).toEqual(['write-manifest 1'])
  })

  it('tells everybody of a decline, discards what was acknowledged and what still comes', () => {
    const driver = started({ tolerableFailures: 1 })
    driver.request(5)
    driver.acknowledge(1, 'a#0')
    expect(driver.decline(1, 'b#0')).toEqual(['notify-aborted 1 snapshot-failed', 'discard 1', 'request-failed 5'])
    expect(driver.last('notify-aborted')!.error!.message).toBe('disk full')
    expect(driver.acknowledge(1, 'a#1')).toEqual(['discard-snapshot 1 a#1'])
    expect(driver.decline(1, 'b#1')).toEqual([])
  })

  it('ignores a decline of another attempt', () => {
    const driver = started()
    driver.request(1)
    driver.attempt = attempt(7)
    expect(driver.decline(1, 'a#0')).toEqual([])
  })

  it('gives up a checkpoint whose trigger could not be sent', () => {
    const driver = started()
    driver.request(1)
    expect(driver.send({ kind: 'trigger-failed', checkpoint: checkpointId(1), error: new Error('no') })).toEqual([
      'notify-aborted 1 trigger-failed',
      'discard 1',
      'request-failed 1',
    ])
  })

  it('drops everything pending when the attempt stops', () => {
    const driver = started({ maxConcurrent: 2 })
    driver.request(1)
    driver.request(2)
    driver.acknowledge(1, 'a#0')
    expect(driver.stop()).toEqual([
      'notify-aborted 1 attempt-stopped',
      'discard 1',
      'request-failed 1',
      'notify-aborted 2 attempt-stopped',
      'discard 2',
      'request-failed 2',
    ])
    expect(driver.acknowledge(2, 'a#0')).toEqual(['discard-snapshot 2 a#0'])
    expect(driver.pass(100_000)).toEqual([])
  })
})

describe('scenario 11: failures of checkpoints', () => {
  it('fails the attempt when one more in a row has failed than is tolerated', () => {
    const driver = started({ tolerableFailures: 2 })
    for (const id of [1, 2]) {
      driver.request(id)
      expect(driver.decline(id, 'a#0')).not.toContain('fail-attempt CHECKPOINT_THRESHOLD')
    }
    driver.request(3)
    expect(driver.decline(3, 'a#0')).toEqual([
      'notify-aborted 3 snapshot-failed',
      'discard 3',
      'request-failed 3',
      'fail-attempt CHECKPOINT_THRESHOLD',
    ])
    const { error } = driver.last('fail-attempt')!
    expect(error.message).toContain('Exceeded checkpoint tolerable failure threshold')
    expect((error.cause as Error).message).toBe('disk full')
    expect(driver.request(4)).toEqual([])
    expect(driver.pass(100_000)).toEqual([])
    expect(driver.stop()).toEqual(['request-failed 4'])
  })

  it('starts to count again after a success', () => {
    const driver = started({ tolerableFailures: 1 })
    driver.request(1)
    driver.decline(1, 'a#0')
    complete(driver, 2)
    driver.request(3)
    expect(driver.decline(3, 'a#0')).not.toContain('fail-attempt CHECKPOINT_THRESHOLD')
    driver.request(4)
    expect(driver.decline(4, 'a#0')).toContain('fail-attempt CHECKPOINT_THRESHOLD')
  })

  it('counts expiry and a manifest that could not be written', () => {
    const driver = started({ intervalMs: null, timeoutMs: 100, tolerableFailures: 1 })
    driver.request(1)
    expect(driver.pass(100)).toEqual(['notify-aborted 1 expired', 'discard 1', 'request-failed 1'])
    driver.request(2)
    driver.acknowledge(2, ...ALL)
    expect(driver.writeFailed(2)).toEqual([
      'notify-aborted 2 manifest-failed',
      'discard 2',
      'request-failed 2',
      'fail-attempt CHECKPOINT_THRESHOLD',
    ])
  })

  it.each(['subsumed', 'cancellation-barrier', 'input-end-of-stream', 'alignment-limit', 'not-running'] as const)(
    'does not count a decline because of %s',
    (reason) => {
      const driver = started()
      driver.request(1)
      expect(driver.decline(1, 'a#0', reason)).toEqual([`notify-aborted 1 ${reason}`, 'discard 1', 'request-failed 1'])
    },
  )

  it('does not count savepoints that expire, but those that a task failed', () => {
    const driver = started({ intervalMs: null, timeoutMs: 100 })
    driver.request(1, 'savepoint')
    expect(driver.pass(100)).toEqual(['notify-aborted 1 expired', 'discard 1', 'request-failed 1'])
    driver.request(2, 'savepoint')
    expect(driver.decline(2, 'a#0')).toContain('fail-attempt CHECKPOINT_THRESHOLD')
  })

  it('ignores failures of checkpoints older than the last success', () => {
    const driver = started({ maxConcurrent: 2 })
    driver.request(1, 'savepoint')
    driver.request(2)
    driver.acknowledge(2, ...ALL)
    driver.written(2)
    expect(driver.decline(1, 'a#0')).toEqual(['notify-aborted 1 snapshot-failed', 'discard 1', 'request-failed 1'])
  })
})

describe('scenario 12: aborts reach everybody', () => {
  it('tells of each failed checkpoint once, whatever made it fail, and goes on', () => {
    const driver = started({ tolerableFailures: 2 })
    driver.pass(1000)
    driver.acknowledge(1, ...ALL)
    driver.writeFailed(1)
    driver.pass(1000)
    driver.decline(2, 'b#0')
    driver.decline(2, 'b#1')
    driver.pass(1000)
    driver.acknowledge(3, ...ALL)
    expect(driver.written(3)).toEqual(['notify-complete 3'])
    const aborted = driver.actions.flatMap((action) => (action.kind === 'notify-aborted' ? [action.checkpoint] : []))
    expect(aborted).toEqual([1, 2])
  })
})

describe('while a manifest is being written', () => {
  it('a stop of the attempt leaves the checkpoint alone; it completes and nobody is notified', () => {
    const driver = started()
    driver.request(1)
    driver.acknowledge(1, ...ALL)
    expect(driver.stop()).toEqual([])
    expect(driver.coordinator.isWritingManifest).toBe(true)
    expect(() => driver.start()).toThrow('not known which checkpoint')
    expect(driver.written(1)).toEqual(['request-done 1 by 1'])
    expect(driver.coordinator.isWritingManifest).toBe(false)
    expect(driver.coordinator.newestCheckpoint).toBe(1)
  })

  it('a stop of the attempt and then a failure discards it', () => {
    const driver = started()
    driver.request(1)
    driver.acknowledge(1, ...ALL)
    driver.stop()
    expect(driver.acknowledge(1, 'a#0')).toEqual([])
    expect(driver.writeFailed(1)).toEqual(['notify-aborted 1 manifest-failed', 'discard 1', 'request-failed 1'])
  })

  it('an unknown outcome fails the attempt, and nothing is discarded or written until storage was read again', () => {
    const driver = started({ maxConcurrent: 2 })
    driver.request(1)
    driver.request(2)
    driver.acknowledge(1, ...ALL)
    driver.acknowledge(2, ...ALL)
    expect(driver.writeFailed(1, true)).toEqual(['request-failed 1', 'fail-attempt STORAGE_OUTCOME_UNKNOWN'])
    expect(driver.stop()).toEqual(['notify-aborted 2 attempt-stopped', 'discard 2', 'request-failed 2'])
    expect(driver.acknowledge(1, 'a#0')).toEqual([])
    driver.attempt = attempt(2)
    driver.start(TWO_BY_TWO, [1])
    expect(driver.coordinator.newestCheckpoint).toBe(1)
    expect(complete(driver, 3)).toEqual(['write-manifest 3', 'notify-complete 3', 'retire 1', 'request-done 1003 by 3'])
  })

  it('an unknown outcome that turns out to be none leaves the older checkpoint in place', () => {
    const driver = started()
    complete(driver, 1)
    driver.request(2)
    driver.acknowledge(2, ...ALL)
    driver.writeFailed(2, true)
    driver.stop()
    driver.attempt = attempt(2)
    driver.start(TWO_BY_TWO, [1])
    expect(driver.coordinator.newestCheckpoint).toBe(1)
  })
})
