import { LocalLink } from './local-link.ts'
import type { FromTaskHost, ToTaskHost } from './protocol.ts'
import { type HostMetrics, TaskHost, type TaskHostOptions } from './task-host.ts'
import type { TaskHostLink, TaskHostListener } from './task-host-link.ts'

/** A task host in the job master's own thread. */
export class LocalHost implements TaskHostLink {
  private readonly host: TaskHost
  private readonly toHost: LocalLink<ToTaskHost>
  private readonly fromHost: LocalLink<FromTaskHost>

  constructor(options: Omit<TaskHostOptions, 'send'>, messagesPerTurn: number, listener: TaskHostListener) {
    const { clock } = options
    this.fromHost = new LocalLink(clock, messagesPerTurn, (message) => listener.onMessage(message))
    this.host = new TaskHost({ ...options, send: (message) => this.fromHost.send(message) })
    this.toHost = new LocalLink(clock, messagesPerTurn, (message) => this.host.receive(message))
  }

  send(message: ToTaskHost): void {
    this.toHost.send(message)
  }

  metrics(): HostMetrics {
    return this.host.metrics()
  }

  close(): Promise<void> {
    this.toHost.cut()
    this.fromHost.cut()
    return Promise.resolve()
  }

  terminate(): boolean {
    return false
  }
}
