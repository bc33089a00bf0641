/**
 * How an outside system misbehaves. `stalls`: calls that come meanwhile are neither answered nor refused, until it is over; then they go on. `fails`: calls fail without effect.
 * `loses-answers`: calls take effect, but fail for the caller.
 */
export type Disturbance = 'stalls' | 'fails' | 'loses-answers'

/** Begins a disturbance and returns how to end it; null where the system cannot misbehave in this way: its scenarios are left out. */
export type Disturb = (how: Disturbance) => (() => void) | null
