import { unreachable } from '../../core/errors.ts'
import type { CheckpointMode } from '../../core/options.ts'
import { BarrierBuffer } from './barrier-buffer.ts'
import { BarrierTracker } from './barrier-tracker.ts'
import type { CheckpointBarrierHandler, InputGate } from './contract.ts'

/** The handler of a checkpoint mode, as production uses it: blocked channels are not read, an ended channel counts as aligned. */
export function createBarrierHandler(
  mode: CheckpointMode,
  { gate, monotonic }: { readonly gate: InputGate; readonly monotonic: () => number },
): CheckpointBarrierHandler {
  switch (mode) {
    case 'exactly-once':
      return new BarrierBuffer({ gate, monotonic, blocked: 'in-channel', endOfPartition: 'aligned' })
    case 'at-least-once':
      return new BarrierTracker({ gate, monotonic, endOfPartition: 'aligned' })
    default:
      return unreachable(mode)
  }
}
