import type { ErrorCode } from '../core/errors.ts'

/** What the process says to whoever started it; docs/guide/cli.md explains each. */
export const EXIT = {
  finished: 0,
  /** The job failed, and its restart strategy allows no further attempt. */
  failed: 1,
  /** The command line, the parameters or the job file are wrong: starting again as it is cannot help. */
  usage: 2,
  /** Starting was refused to protect state or output. */
  refused: 3,
  canceled: 4,
  /** EX_TEMPFAIL: not done, start again to go on. Not 0: a scheduler would take the job for finished. */
  suspended: 75,
} as const

const CODES: Readonly<Partial<Record<ErrorCode, number>>> = {
  INVALID_OPTION: EXIT.usage,
  INVALID_PARAMS: EXIT.usage,
  INVALID_JOB: EXIT.usage,
  JOB_MODULE: EXIT.usage,
  NEEDS_CHECKPOINTS: EXIT.usage,
  JOB_LOCKED: EXIT.refused,
  FENCED: EXIT.refused,
  OUTPUT_EXISTS: EXIT.refused,
  OUTPUT_WITHOUT_CHECKPOINT: EXIT.refused,
  STATE_INCOMPATIBLE: EXIT.refused,
  CHECKPOINT_CORRUPT: EXIT.refused,
  CHECKPOINT_NOT_FOUND: EXIT.refused,
  CANCELED: EXIT.canceled,
}

export function exitCodeOfError(code: ErrorCode | undefined): number {
  return (code === undefined ? undefined : CODES[code]) ?? EXIT.failed
}

const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

export type StopSignal = keyof typeof SIGNAL_NUMBERS

export const STOP_SIGNALS = Object.keys(SIGNAL_NUMBERS) as readonly StopSignal[]

/** As a shell reports a process that a signal has killed. */
export function exitCodeOfSignal(signal: StopSignal): number {
  return 128 + SIGNAL_NUMBERS[signal]
}
