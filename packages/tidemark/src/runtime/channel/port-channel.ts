import type { MessagePort } from 'node:worker_threads'
import type { ChannelReader, ChannelWriter } from '../../core/channel.ts'
import type { StreamElement } from '../../core/element.ts'

/** The sending end of a channel between threads over a message port: bounded by the credit that the reader gives back. */
export class PortWriter implements ChannelWriter {
  private readonly port: MessagePort
  private readonly capacity: number
  private inFlight = 0

  constructor(port: MessagePort, capacity: number, onRoom: () => void) {
    this.port = port
    this.capacity = capacity
    port.on('message', (credit: number) => {
      const wasFull = this.inFlight >= this.capacity
      this.inFlight -= credit
      if (wasFull && this.inFlight < this.capacity) onRoom()
    })
  }

  hasRoom(): boolean {
    return this.inFlight < this.capacity
  }

  offer(element: StreamElement): boolean {
    if (this.inFlight >= this.capacity) return false
    this.port.postMessage(element)
    this.inFlight += weight(element)
    return true
  }
}

/** The receiving end. */
export class PortReader implements ChannelReader {
  private readonly port: MessagePort
  private readonly elements: StreamElement[] = []

  constructor(port: MessagePort, onData: () => void) {
    this.port = port
    port.on('message', (element: StreamElement) => {
      this.elements.push(element)
      onData()
    })
  }

  poll(): StreamElement | undefined {
    const element = this.elements.shift()
    if (element !== undefined) this.port.postMessage(weight(element))
    return element
  }

  isEmpty(): boolean {
    return this.elements.length === 0
  }
}

function weight(element: StreamElement): number {
  return element.kind === 'records' ? element.values.length : 1
}
