import type { StreamElement } from './element.ts'

/**
 * A channel carries elements from one task to one other task, in order, each exactly once. It is bounded: capacity is
 * counted in records, an event counts as one. Single producer, single consumer. Nobody ever waits inside a channel:
 * a full one refuses, an empty one answers undefined, and the other side's `wake` is called when that changes.
 *
 * Invariants (property tests hold every implementation to them): per-channel FIFO; nothing lost, doubled or invented;
 * `queued` never exceeds `capacity` by more than one element; a refused element was not taken.
 */
export interface ChannelWriter {
  /** Takes the element, or refuses it (false) when the channel is full. A batch is taken whole when there is any room. */
  offer(element: StreamElement): boolean
  /** True when `offer` would take an element now. */
  hasRoom(): boolean
}

export interface ChannelReader {
  /** The next element, or undefined when there is none now. */
  poll(): StreamElement | undefined
  isEmpty(): boolean
}
