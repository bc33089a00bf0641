import type { StopSignal } from './exit-codes.ts'

/** One of the two streams that the process writes to. */
export interface Output {
  readonly isTerminal: boolean
  /** Width of the terminal; may change. */
  readonly columns: number
  write(text: string): void
}

/** All that the command line has of the process it runs in. */
export interface Host {
  /** Without the program and the script. */
  readonly argv: readonly string[]
  readonly directory: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly platform: string
  readonly stdout: Output
  readonly stderr: Output
  /** Milliseconds since 1970. */
  now(): number
  /** Milliseconds that never go backwards. */
  monotonic(): number
  /** Calls back again and again; returns how to stop that. */
  every(intervalMs: number, callback: () => void): () => void
  onSignal(listener: (signal: StopSignal) => void): () => void
  /** Called before anybody else writes to a stream, with what is written. */
  onForeignWrite(listener: (text: string) => void): () => void
  /** Errors that nobody caught: what they belong to is not known. */
  onUncaught(listener: (error: unknown) => void): () => void
  /** What the job sees in `process.argv`. */
  showArguments(file: string, jobArguments: readonly string[]): void
  /** Ends the process at once. */
  exit(code: number): void
}
