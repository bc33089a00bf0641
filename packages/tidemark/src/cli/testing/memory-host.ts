import type { StopSignal } from '../exit-codes.ts'
import type { Host } from '../host.ts'
import { MemoryTerminal } from './memory-terminal.ts'

/** A process that is driven by a test: its time stands still, its signals and timers come when asked for. */
export class MemoryHost implements Host {
  readonly argv: readonly string[]
  readonly directory = '/project'
  readonly environment: Record<string, string | undefined> = {}
  readonly platform = 'linux'
  readonly stdout: MemoryTerminal
  readonly stderr: MemoryTerminal
  /** What the job would see. */
  shown: readonly string[] = []
  /** Set when the process was ended at once. */
  exited: number | null = null
  timeMs = 0
  private readonly signals = new Set<(signal: StopSignal) => void>()
  private readonly timers = new Set<() => void>()
  private readonly writers = new Set<(text: string) => void>()
  private readonly catchers = new Set<(error: unknown) => void>()

  constructor(argv: readonly string[], { isTerminal = false } = {}) {
    this.argv = argv
    this.stdout = new MemoryTerminal({ isTerminal })
    this.stderr = new MemoryTerminal({ isTerminal })
  }

  /** Listeners and timers that are still there. */
  get leftovers(): number {
    return this.signals.size + this.timers.size + this.writers.size + this.catchers.size
  }

  now(): number {
    return this.timeMs
  }

  monotonic(): number {
    return this.timeMs
  }

  every(_intervalMs: number, callback: () => void): () => void {
    return added(this.timers, callback)
  }

  onSignal(listener: (signal: StopSignal) => void): () => void {
    return added(this.signals, listener)
  }

  onForeignWrite(listener: (text: string) => void): () => void {
    return added(this.writers, listener)
  }

  onUncaught(listener: (error: unknown) => void): () => void {
    return added(this.catchers, listener)
  }

  showArguments(file: string, jobArguments: readonly string[]): void {
    this.shown = [file, ...jobArguments]
  }

  exit(code: number): void {
    this.exited ??= code
  }

  signal(signal: StopSignal, afterMs: number): void {
    this.timeMs += afterMs
    for (const listener of this.signals) listener(signal)
  }

  tick(afterMs: number): void {
    this.timeMs += afterMs
    for (const callback of this.timers) callback()
  }

  throwUncaught(error: unknown): void {
    for (const listener of this.catchers) listener(error)
  }
}

function added<T>(set: Set<T>, element: T): () => void {
  set.add(element)
  return () => void set.delete(element)
}
