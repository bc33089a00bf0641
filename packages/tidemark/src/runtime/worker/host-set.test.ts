import { describe, expect, it } from 'vitest'
import { attempt, checkpointId, operatorId, type TaskId, taskId } from '../../core/ids.ts'
import { HostSet } from './host-set.ts'
import type { ToTaskHost } from './protocol.ts'
import type { HostMetrics } from './task-host.ts'
import type { TaskHostLink, TaskHostListener } from './task-host-link.ts'

const ATTEMPT = attempt(1)
const TASKS = ['a', 'b'].flatMap((vertex) =>
  [0, 1, 2].map((subtask) => ({ task: taskId(vertex, subtask), vertex, subtask, restore: null })),
)

class MemoryLink implements TaskHostLink {
  readonly sent: ToTaskHost[] = []
  readonly listener: TaskHostListener
  private readonly counts: HostMetrics
  private readonly canEnd: boolean
  isTerminated = false

  constructor(listener: TaskHostListener, counts: HostMetrics, canEnd: boolean) {
    this.listener = listener
    this.counts = counts
    this.canEnd = canEnd
  }

  send(message: ToTaskHost): void {
    this.sent.push(message)
  }

  metrics(): HostMetrics {
    return this.counts
  }

  async close(): Promise<void> {}

  terminate(): boolean {
    this.isTerminated = true
    return this.canEnd
  }
}

function setUp({ canEnd = true } = {}) {
  const links: MemoryLink[] = []
  const lost: { readonly tasks: readonly TaskId[]; readonly error: Error }[] = []
  const open = (listenerOf: (host: number) => TaskHostListener) => {
    for (const host of [0, 1]) {
      const counts = { recordsIn: host + 1, recordsOut: 10, skipped: 0, deadLetters: host }
      const operators = new Map([[operatorId('a'), counts]])
      links.push(new MemoryLink(listenerOf(host), { operators, sourceRecords: 5, backPressure: host / 2 }, canEnd))
    }
    return links
  }
  const hosts = new HostSet(open, {
    onMessage: () => {},
    onLost: (tasks, error) => lost.push({ tasks: [...tasks], error }),
  })
  hosts.send({ kind: 'deploy', attempt: ATTEMPT, tasks: TASKS })
  const kinds = () => links.map(({ sent }) => sent.slice(1).map(({ kind }) => kind))
  return { links, hosts, lost, kinds }
}

describe('the task hosts of an attempt', () => {
  it('get the tasks whose subtask is theirs', () => {
    const { links } = setUp()
    const tasks = links.map(({ sent: [first] }) =>
      first?.kind === 'deploy' ? first.tasks.map(({ task }) => task) : [],
    )
    expect(tasks).toEqual([
      ['a#0', 'a#2', 'b#0', 'b#2'],
      ['a#1', 'b#1'],
    ])
  })

  it('get what is about a task of theirs, and everything that is about none', () => {
    const { hosts, kinds } = setUp()
    const checkpoint = checkpointId(1)
    hosts.send({ kind: 'no-more-splits', attempt: ATTEMPT, task: taskId('a', 1) })
    hosts.send({ kind: 'release', attempt: ATTEMPT, task: taskId('b', 2) })
    for (const kind of ['complete', 'committed', 'aborted'] as const) hosts.send({ kind, attempt: ATTEMPT, checkpoint })
    hosts.send({ kind: 'start', attempt: ATTEMPT })
    hosts.send({ kind: 'cancel', attempt: ATTEMPT })
    const all = ['complete', 'committed', 'aborted', 'start', 'cancel']
    expect(kinds()).toEqual([
      ['release', ...all],
      ['no-more-splits', ...all],
    ])
  })

  it('are added up in metrics; back pressure is the highest', () => {
    const { operators, sourceRecords, backPressure } = setUp().hosts.metrics()
    expect([...operators]).toEqual([['a', { recordsIn: 3, recordsOut: 20, skipped: 0, deadLetters: 1 }]])
    expect([sourceRecords, backPressure]).toEqual([10, 0.5])
  })

  it('are ended where a task does not stop, and nowhere else; those that cannot be are named', () => {
    const { links, hosts } = setUp()
    expect(hosts.terminateHostsOf(new Set([taskId('a', 1)]))).toEqual([])
    expect(links.map(({ isTerminated }) => isTerminated)).toEqual([false, true])
    expect(setUp({ canEnd: false }).hosts.terminateHostsOf(new Set([taskId('a', 2)]))).toEqual(['a#2'])
  })

  it('are lost with all their tasks', () => {
    const { links, lost } = setUp()
    const error = new Error('gone')
    links[1]!.listener.onLost(error)
    expect(lost).toEqual([{ tasks: ['a#1', 'b#1'], error }])
  })
})
