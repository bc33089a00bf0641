import { TidemarkError } from './errors.ts'

/** Milliseconds, or a number with a unit: `500ms`, `10s`, `1.5m`, `2h`, `1d`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds of a duration; `INVALID_OPTION` when it is none, is negative or not finite. `what` names the option. */
export function durationMs(duration: Duration | (string & {}), what: string): number {
  const ms = typeof duration === 'number' ? duration : parse(duration)
  if (!Number.isFinite(ms) || ms < 0) {
    throw new TidemarkError('INVALID_OPTION', `${what} is ${JSON.stringify(duration)}, which is not a duration`, {
      action: `Give milliseconds as a number, or a number with a unit: '500ms', '10s', '1m', '2h', '1d'.`,
    })
  }
  return ms
}

function parse(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*$/.exec(text)
  return match === null ? Number.NaN : Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]
}
