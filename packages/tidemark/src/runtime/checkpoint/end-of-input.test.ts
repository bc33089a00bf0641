import { describe, expect, it } from 'vitest'
import { attempt } from '../../core/ids.ts'
import { CoordinatorDriver, TWO_BY_TWO } from '../../testing/simulator/coordinator-driver.ts'

const ALL = ['a#0', 'a#1', 'b#0', 'b#1']

function started(...options: ConstructorParameters<typeof CoordinatorDriver>): CoordinatorDriver {
  const driver = new CoordinatorDriver(...options)
  driver.start()
  return driver
}

describe('scenario 20: some tasks have finished', () => {
  it('goes on with checkpoints, releases who is finished in a committed one, and records it as finished from then on', () => {
    const driver = started({ minPauseMs: 500 })
    expect(driver.dataFinished('a#0')).toEqual([])
    driver.pass(1000)
    expect(driver.acknowledge(1, ...ALL)).toEqual(['write-manifest 1'])
    expect(driver.last('write-manifest')!.snapshots.get('a#0' as never)!.isFinished).toBe(true)
    expect(driver.written(1)).toEqual(['notify-complete 1'])
    expect(driver.confirmed(1)).toEqual(['release a#0'])
    expect(driver.taskFinished('a#0')).toEqual([])
    expect(driver.pass(1000)).toEqual(['trigger 2 at a#1'])
    expect(driver.acknowledge(2, 'a#1', 'b#0', 'b#1')).toEqual(['write-manifest 2'])
    expect(driver.last('write-manifest')!.snapshots.get('a#0' as never)).toEqual({
      vertex: 'a',
      subtask: 0,
      isFinished: true,
      watermark: null,
      operators: [],
      files: [],
    })
  })

  it('triggers those behind finished tasks directly', () => {
    const driver = new CoordinatorDriver()
    driver.start(TWO_BY_TWO.map((task) => ({ ...task, isFinished: task.vertex === 'a' })))
    expect(driver.taskFinished('a#0', 'a#1')).toEqual([])
    expect(driver.pass(1000)).toEqual(['trigger 1 at b#0 b#1'])
    expect(driver.acknowledge(1, 'b#0', 'b#1')).toEqual(['write-manifest 1'])
  })

  it('does not release before commits are confirmed, nor on behalf of a savepoint', () => {
    const driver = started({ intervalMs: 100_000 })
    driver.dataFinished('a#0')
    driver.request(1, 'savepoint')
    driver.acknowledge(1, ...ALL)
    driver.written(1)
    expect(driver.confirmed(1)).toEqual([])
    driver.request(2)
    driver.acknowledge(2, ...ALL)
    expect(driver.written(2)).not.toContain('release a#0')
    expect(driver.confirmed(1)).toEqual([])
    expect(driver.confirmed(2)).toEqual(['release a#0'])
  })

  it('does not release a task whose last snapshot was taken before its input ended', () => {
    const driver = started()
    driver.pass(1000)
    driver.acknowledge(1, ...ALL)
    driver.dataFinished('a#0')
    driver.written(1)
    expect(driver.confirmed(1)).toEqual([])
  })

  it('does not release a task that a pending checkpoint still waits for, and triggers nothing meanwhile', () => {
    const driver = started({ maxConcurrent: 3 })
    driver.dataFinished('a#0')
    driver.request(1)
    driver.request(2)
    driver.acknowledge(1, ...ALL)
    driver.written(1)
    expect(driver.confirmed(1)).toEqual([])
    expect(driver.request(3)).toEqual([])
    expect(driver.acknowledge(2, 'a#0', 'a#1', 'b#0')).toEqual(['release a#0'])
    expect(driver.acknowledge(2, 'b#1')).toEqual(['write-manifest 2', 'trigger 3 at a#1'])
  })

  it('releases when the pending checkpoint that waited is aborted', () => {
    const driver = started({ maxConcurrent: 3, tolerableFailures: 1 })
    driver.dataFinished('a#0')
    driver.request(1)
    driver.request(2)
    driver.acknowledge(1, ...ALL)
    driver.written(1)
    driver.confirmed(1)
    expect(driver.decline(2, 'b#0')).toEqual([
      'notify-aborted 2 snapshot-failed',
      'discard 2',
      'request-failed 2',
      'release a#0',
    ])
  })

  it('forgets confirmations that belong to an earlier attempt', () => {
    const driver = started()
    driver.dataFinished('a#0')
    driver.pass(1000)
    driver.acknowledge(1, ...ALL)
    driver.written(1)
    driver.stop()
    driver.attempt = attempt(2)
    driver.start(TWO_BY_TWO, [1])
    expect(driver.confirmed(1)).toEqual([])
  })

  it('takes a task that leaves unreleased for a bug', () => {
    const driver = started()
    expect(() => driver.taskFinished('a#0')).toThrow('finished before it was released')
  })
})

describe('the end of bounded input', () => {
  it('takes a last checkpoint at once though the interval is endless, then lets everybody go', () => {
    const driver = started({ intervalMs: 1e12, minPauseMs: 1e9 })
    expect(driver.dataFinished('a#0', 'a#1', 'b#0')).toEqual([])
    expect(driver.dataFinished('b#1')).toEqual(['trigger 1 at a#0 a#1'])
    expect(driver.acknowledge(1, ...ALL)).toEqual(['write-manifest 1 final'])
    expect(driver.written(1)).toEqual(['notify-complete 1'])
    expect(driver.pass(1e13)).toEqual([])
    expect(driver.confirmed(1)).toEqual(['release a#0 b#0 a#1 b#1'])
    expect(driver.taskFinished(...ALL)).toEqual([])
    expect(driver.pass(1e13)).toEqual([])
    expect(driver.request(1)).toEqual(['request-failed 1'])
  })

  it('waits for room, and needs no further checkpoint when all are finished in the one under way', () => {
    const driver = started()
    driver.pass(1000)
    driver.acknowledge(1, 'a#0')
    expect(driver.dataFinished('a#0', 'a#1', 'b#0', 'b#1')).toEqual([])
    driver.acknowledge(1, 'a#1', 'b#0', 'b#1')
    // a#0 was not finished in 1
    expect(driver.written(1)).toEqual(['notify-complete 1', 'trigger 2 at a#0 a#1'])
  })

  it('does not trigger again while the commits of the last one are under way', () => {
    const driver = started({ maxConcurrent: 5 })
    driver.dataFinished(...ALL)
    driver.acknowledge(1, ...ALL)
    driver.written(1)
    expect(driver.pass(100_000)).toEqual([])
    expect(driver.confirmed(1)).toEqual(['release a#0 b#0 a#1 b#1'])
  })

  it('takes a checkpoint that somebody asked for as the last one, but not a savepoint', () => {
    const driver = started({ intervalMs: 1e12 })
    driver.request(1, 'savepoint')
    driver.dataFinished(...ALL)
    driver.acknowledge(1, ...ALL)
    expect(driver.written(1)).toEqual(['request-done 1 by 1', 'trigger 2 at a#0 a#1'])
    driver.decline(2, 'a#0', 'not-running')
    expect(driver.request(2)).toEqual(['trigger 3 at a#0 a#1'])
    driver.acknowledge(3, ...ALL)
    driver.written(3)
    expect(driver.confirmed(3)).toEqual(['release a#0 b#0 a#1 b#1'])
  })

  it('tries again shortly after a failure, as long as failures are tolerated', () => {
    const driver = started({ intervalMs: 1e12, tolerableFailures: 1 })
    driver.dataFinished(...ALL)
    driver.decline(1, 'a#0')
    expect(driver.wakeAt).toBe(100)
    expect(driver.pass(99)).toEqual([])
    expect(driver.pass(1)).toEqual(['trigger 2 at a#0 a#1'])
    expect(driver.decline(2, 'a#0')).toContain('fail-attempt CHECKPOINT_THRESHOLD')
    expect(driver.pass(1000)).toEqual([])
  })

  it('needs no checkpoint where checkpoints are off', () => {
    const driver = started({ intervalMs: null })
    expect(driver.dataFinished('a#0', 'a#1', 'b#0')).toEqual([])
    expect(driver.dataFinished('b#1')).toEqual(['release a#0 b#0 a#1 b#1'])
  })

  it('lets a checkpoint that somebody asked for complete first where checkpoints are off', () => {
    const driver = started({ intervalMs: null })
    driver.request(1)
    expect(driver.dataFinished(...ALL)).toEqual([])
    expect(driver.acknowledge(1, 'a#0')).toEqual(['release a#0'])
    expect(driver.request(2)).toEqual(['request-failed 2'])
    expect(driver.acknowledge(1, 'a#1', 'b#0', 'b#1')).toEqual([
      'release a#1',
      'release b#0',
      'write-manifest 1 final',
      'release b#1',
    ])
  })

  it('ends at once where every task was restored as finished', () => {
    const driver = new CoordinatorDriver()
    expect(driver.start(TWO_BY_TWO.map((task) => ({ ...task, isFinished: true })))).toEqual([])
    expect(driver.taskFinished(...ALL)).toEqual([])
    expect(driver.pass(1e9)).toEqual([])
  })
})
