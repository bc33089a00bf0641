import { assert } from '../../core/errors.ts'
import type { TaskId } from '../../core/ids.ts'
import type { CoordinatedTask } from './coordinator-contract.ts'

/**
 * `running` → `data-finished` (all input ended, still serves barriers) → `departing` (takes part in no later checkpoint) → `gone` (released). Tasks restored
 * as finished are `gone` from the start.
 */
type Stage = 'running' | 'data-finished' | 'departing' | 'gone'

/**
 * Which tasks of an attempt take part in checkpoints. The set of tasks that have left is closed upstream: a task that is finished in a checkpoint
 * has its barrier behind the end of data of all its inputs, so everything upstream of it is finished in the same checkpoint.
 */
export class AttemptTasks {
  private readonly tasks: ReadonlyMap<TaskId, CoordinatedTask>
  private readonly stages = new Map<TaskId, Stage>()
  private readonly departing = new Set<TaskId>()
  private runningCount = 0
  private dataFinishedCount = 0

  constructor(tasks: readonly CoordinatedTask[]) {
    this.tasks = new Map(tasks.map((task) => [task.task, task]))
    assert(this.tasks.size === tasks.length, 'an attempt has two tasks of the same name')
    for (const { task, isFinished } of tasks) {
      this.stages.set(task, isFinished ? 'gone' : 'running')
      if (!isFinished) this.runningCount++
    }
  }

  /** Tasks that take part in a checkpoint triggered now. */
  get livingCount(): number {
    return this.runningCount + this.dataFinishedCount
  }

  get isAllDataFinished(): boolean {
    return this.runningCount === 0 && this.dataFinishedCount > 0
  }

  all(): Iterable<CoordinatedTask> {
    return this.tasks.values()
  }

  living(): readonly TaskId[] {
    return [...this.tasks.keys()].filter((task) => this.isLiving(task))
  }

  isLiving(task: TaskId): boolean {
    const stage = this.stages.get(task)
    return stage === 'running' || stage === 'data-finished'
  }

  /** Living tasks that no barrier can reach through a channel. */
  roots(): readonly TaskId[] {
    return this.living().filter((task) => !this.tasks.get(task)!.upstream.some((upstream) => this.isLiving(upstream)))
  }

  onDataFinished(task: TaskId): void {
    if (this.stages.get(task) !== 'running') return
    this.stages.set(task, 'data-finished')
    this.runningCount--
    this.dataFinishedCount++
  }

  /** These are finished in a durable checkpoint with confirmed commits, or none is needed. */
  depart(tasks: Iterable<TaskId>): void {
    for (const task of tasks) {
      const stage = this.stages.get(task)
      if (stage === 'departing' || stage === 'gone') continue
      assert(stage === 'data-finished', `task ${task} is finished in a checkpoint but never said so`)
      this.stages.set(task, 'departing')
      this.departing.add(task)
      this.dataFinishedCount--
    }
  }

  /** Releases those that nobody waits for any more. */
  release(isAwaited: (task: TaskId) => boolean): readonly TaskId[] {
    const released = [...this.departing].filter((task) => !isAwaited(task))
    for (const task of released) {
      this.departing.delete(task)
      this.stages.set(task, 'gone')
    }
    return released
  }

  /** Whoever leaves unreleased takes output with it that no checkpoint holds: it would be lost without a trace. */
  onFinished(task: TaskId): void {
    assert(this.stages.get(task) === 'gone', `task ${task} finished before it was released`)
  }
}
