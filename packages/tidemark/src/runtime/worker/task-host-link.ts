import type { HostMetrics } from './task-host.ts'
import type { FromTaskHost, ToTaskHost } from './protocol.ts'

/** The job master's end of the link to one task host, which lives for one attempt. */
export interface TaskHostLink {
  /** FIFO; arrives unless the host is lost. */
  send(message: ToTaskHost): void
  /** What its tasks have counted, as far as is known here. */
  metrics(): HostMetrics
  /** Every task of the host has ended: lets go of it. Resolves when nothing of it is left; never rejects. */
  close(): Promise<void>
  /** Ends the host at once, whatever its tasks are doing, and reports it as lost when it is gone. False: this host cannot be ended. */
  terminate(): boolean
}

/** What a link tells the job master. Nothing more comes after `onLost`, or once `close` has resolved. */
export interface TaskHostListener {
  onMessage(message: FromTaskHost): void
  /** The host is gone with all its tasks: nothing of it runs any more. */
  onLost(error: Error): void
}
