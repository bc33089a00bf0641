import type { OperatorId, TaskId } from '../../core/ids.ts'
import { hostOf } from '../deploy/placement.ts'
import type { FromTaskHost, TaskDeployment, ToTaskHost } from './protocol.ts'
import type { HostMetrics, OperatorCounts } from './task-host.ts'
import type { TaskHostLink, TaskHostListener } from './task-host-link.ts'

/** Opens the links of one attempt; the listener of each is told apart by its index. */
export type OpenHosts = (listenerOf: (host: number) => TaskHostListener) => readonly TaskHostLink[]

export interface HostSetOptions {
  readonly onMessage: (message: FromTaskHost) => void
  readonly onLost: (tasks: ReadonlySet<TaskId>, error: Error) => void
}

/** All task hosts of one attempt: a message about a task goes to its host, any other to all. */
export class HostSet {
  private readonly links: readonly TaskHostLink[]
  private readonly tasks: readonly Set<TaskId>[]
  private readonly hosts = new Map<TaskId, number>()

  constructor(open: OpenHosts, { onMessage, onLost }: HostSetOptions) {
    const tasks: Set<TaskId>[] = []
    this.tasks = tasks
    this.links = open((host) => ({ onMessage, onLost: (error) => onLost(tasks[host]!, error) }))
    for (let host = 0; host < this.links.length; host++) tasks.push(new Set())
  }

  send(message: ToTaskHost): void {
    if (message.kind === 'deploy') return this.deploy(message)
    if ('task' in message) this.links[this.hosts.get(message.task)!]!.send(message)
    else for (const link of this.links) link.send(message)
  }

  metrics(): HostMetrics {
    const [first] = this.links
    if (this.links.length === 1) return first!.metrics()
    return addUp(this.links.map((link) => link.metrics()))
  }

  /** Ends the hosts of these tasks; returns the tasks whose host cannot be ended. */
  terminateHostsOf(tasks: ReadonlySet<TaskId>): readonly TaskId[] {
    const stuck = [...tasks]
    return this.links.flatMap((link, host) => {
      const here = stuck.filter((task) => this.hosts.get(task) === host)
      return here.length === 0 || link.terminate() ? [] : here
    })
  }

  /** Resolves when nothing of any host is left. */
  async close(): Promise<void> {
    await Promise.all(this.links.map((link) => link.close()))
  }

  private deploy(message: Extract<ToTaskHost, { kind: 'deploy' }>): void {
    const shares: TaskDeployment[][] = this.links.map(() => [])
    for (const deployment of message.tasks) {
      const host = hostOf(deployment.subtask, this.links.length)
      this.hosts.set(deployment.task, host)
      this.tasks[host]!.add(deployment.task)
      shares[host]!.push(deployment)
    }
    for (const [host, tasks] of shares.entries()) this.links[host]!.send({ ...message, tasks })
  }
}

function addUp(all: readonly HostMetrics[]): HostMetrics {
  const operators = new Map<OperatorId, OperatorCounts>()
  let sourceRecords = 0
  let backPressure = 0
  for (const host of all) {
    sourceRecords += host.sourceRecords
    backPressure = Math.max(backPressure, host.backPressure)
    for (const [operator, counts] of host.operators) {
      const sum = operators.get(operator) ?? { recordsIn: 0, recordsOut: 0, skipped: 0, deadLetters: 0 }
      sum.recordsIn += counts.recordsIn
      sum.recordsOut += counts.recordsOut
      sum.skipped += counts.skipped
      sum.deadLetters += counts.deadLetters
      operators.set(operator, sum)
    }
  }
  return { operators, sourceRecords, backPressure }
}
