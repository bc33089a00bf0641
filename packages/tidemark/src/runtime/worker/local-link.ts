import type { Clock } from '../../core/clock.ts'

/** One direction of a link inside a thread: FIFO, asynchronous like a real one, until it is cut. */
export class LocalLink<Message> {
  private readonly clock: Clock
  private readonly deliver: (message: Message) => void
  private readonly queue: Message[] = []
  private readonly messagesPerTurn: number
  private isAsked = false
  private isCut = false

  constructor(clock: Clock, messagesPerTurn: number, deliver: (message: Message) => void) {
    this.clock = clock
    this.messagesPerTurn = messagesPerTurn
    this.deliver = deliver
  }

  send(message: Message): void {
    this.queue.push(message)
    this.ask()
  }

  cut(): void {
    this.isCut = true
    this.queue.length = 0
  }

  private ask(): void {
    if (this.isAsked || this.isCut) return
    this.isAsked = true
    this.clock.defer(() => {
      this.isAsked = false
      for (let count = 0; count < this.messagesPerTurn && this.queue.length > 0; count++)
        this.deliver(this.queue.shift()!)
      if (this.queue.length > 0) this.ask()
    })
  }
}
