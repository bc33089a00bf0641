import type { RecordBatch, StreamEvent } from '../../core/element.ts'
import { assert } from '../../core/errors.ts'
import type { OperatorId } from '../../core/ids.ts'
import type { EdgeWriter } from '../channel/edge-writer.ts'
import type { BatchCollector } from './batch-collector.ts'
import type { KeyedStateBackend } from '../state/contract.ts'
import type { Operator } from './contract.ts'

/** Where a collector's records go. */
export type ChainTarget =
  | { readonly kind: 'node'; readonly node: number; readonly input: number }
  | { readonly kind: 'edge'; readonly writer: EdgeWriter }

export interface ChainNodeParts {
  readonly id: OperatorId
  readonly operator: Operator
  readonly keyedState: KeyedStateBackend | null
  readonly outputs: readonly BatchCollector[]
  /** Per output. */
  readonly targets: readonly (readonly ChainTarget[])[]
}

/**
 * The operators of one task, in topological order, node 0 first. Records move through as batches: an operator is called only while all of its collectors are
 * empty and everything downstream is at rest, so no more than one batch ever lies between two operators; when an outbox is full everything stays where it is
 * and `run` goes on later. Source: Hazelcast Jet's tasklets, with batches instead of single items.
 *
 * Invariant: `isAtRest` ⇒ every record fed so far has reached the outboxes (or a sink), and no operator holds work.
 */
export class Chain {
  readonly nodes: readonly ChainNode[]
  private readonly writers: readonly EdgeWriter[]
  /** A walk over all nodes under way: the node whose turn is next. */
  private walk: { next: number; readonly step: (node: ChainNode) => void; readonly done: () => void } | null = null

  constructor(parts: readonly ChainNodeParts[], writers: readonly EdgeWriter[]) {
    this.nodes = parts.map((part, index) => new ChainNode(part, index))
    this.writers = writers
  }

  /** Some outbox cannot be emptied now: nothing more may be fed. */
  get isBlocked(): boolean {
    for (const writer of this.writers) if (writer.isFull) return true
    return false
  }

  get isAtRest(): boolean {
    return this.walk === null && this.nodes.every((node) => node.isAtRest)
  }

  /** Feeds records to node 0 and moves them on; returns the index of the first one not taken. Only at rest and not blocked. */
  feed(input: number, batch: RecordBatch, from: number, to: number): number {
    const head = this.nodes[0]!
    const index = head.process(input, batch, from, to)
    this.runNode(0)
    return index
  }

  /** Moves what is inside on, as far as outboxes and sinks take it; true when the chain is at rest. */
  run(): boolean {
    for (;;) {
      for (let index = this.nodes.length - 1; index >= 0; index--) if (!this.runNode(index)) return false
      if (this.walk === null) return true
      const { walk } = this
      if (walk.next === this.nodes.length) {
        this.walk = null
        walk.done()
        continue
      }
      walk.step(this.nodes[walk.next++]!)
    }
  }

  /** Does `step` at every node in order, each only after all before it is at rest again; then `done`. `run` goes on with it. */
  startWalk(step: (node: ChainNode) => void, done: () => void): void {
    assert(this.isAtRest, 'a walk starts only at rest')
    this.walk = { next: 0, step, done }
    this.run()
  }

  /** Sends an event to every edge. */
  broadcast(event: StreamEvent): void {
    for (const writer of this.writers) writer.event(event)
  }

  /** Hands on partly filled batches. */
  flush(): void {
    for (const writer of this.writers) writer.flush()
  }

  /** Empties outboxes into channels that have room; true when nothing waits. */
  drainOutboxes(): boolean {
    let isEmpty = true
    for (const writer of this.writers) if (!writer.drain()) isEmpty = false
    return isEmpty
  }

  /** Brings a node to rest: hands on what it collected, resumes it, feeds what waits in front of it. False when something downstream is full. */
  private runNode(index: number): boolean {
    const node = this.nodes[index]!
    for (;;) {
      if (!this.handOn(node)) return false
      if (this.isBlocked && node.hasWork && node.hasOutputs) return false
      if (!node.advance()) return !node.hasWork
    }
  }

  private handOn(node: ChainNode): boolean {
    for (let output = 0; output < node.outputs.length; output++) {
      const collector = node.outputs[output]!
      if (!collector.isEmpty) {
        const batch = collector.take()
        node.recordsOut += batch.values.length
        for (const target of node.targets[output]!) {
          if (target.kind === 'edge') target.writer.write(batch)
          else this.nodes[target.node]!.enqueue(target.input, batch)
        }
      }
      for (const target of node.targets[output]!) {
        if (target.kind === 'node' && !this.runNode(target.node)) return false
      }
    }
    return true
  }
}

/** One operator in a chain, with what waits in front of it. */
export class ChainNode {
  readonly id: OperatorId
  readonly index: number
  readonly operator: Operator
  readonly keyedState: KeyedStateBackend | null
  readonly outputs: readonly BatchCollector[]
  readonly targets: readonly (readonly ChainTarget[])[]
  private readonly waiting: { readonly input: number; readonly batch: RecordBatch; from: number }[] = []
  recordsIn = 0
  recordsOut = 0

  constructor(parts: ChainNodeParts, index: number) {
    this.id = parts.id
    this.index = index
    this.operator = parts.operator
    this.keyedState = parts.keyedState
    this.outputs = parts.outputs
    this.targets = parts.targets
  }

  /** Work that waits for this operator itself. */
  get hasWork(): boolean {
    return this.waiting.length > 0 || this.operator.isBusy === true
  }

  get hasOutputs(): boolean {
    return this.outputs.length > 0
  }

  get isAtRest(): boolean {
    if (this.hasWork) return false
    for (const output of this.outputs) if (!output.isEmpty) return false
    return true
  }

  enqueue(input: number, batch: RecordBatch): void {
    this.waiting.push({ input, batch, from: 0 })
  }

  process(input: number, batch: RecordBatch, from: number, to: number): number {
    for (const output of this.outputs) output.startInput(batch.origin, batch.origins)
    const index = this.operator.process(input, batch, from, to)
    this.recordsIn += index - from
    return index
  }

  /** Does one bounded piece of work; false when there is none to do or the operator does not take it now. */
  advance(): boolean {
    if (this.operator.isBusy === true) {
      this.operator.resume!()
      return true
    }
    const first = this.waiting[0]
    if (first === undefined) return false
    const index = this.process(first.input, first.batch, first.from, first.batch.values.length)
    const hasAdvanced = index > first.from
    first.from = index
    if (index === first.batch.values.length) this.waiting.shift()
    return hasAdvanced
  }
}
