import type { CheckpointBarrier } from '../../core/element.ts'
import type { CheckpointId } from '../../core/ids.ts'
import { BarrierBuffer } from '../../runtime/input/barrier-buffer.ts'
import { BarrierTracker } from '../../runtime/input/barrier-tracker.ts'
import type {
  AbortReason,
  AlignmentMetrics,
  CheckpointBarrierHandler,
  CheckpointListener,
} from '../../runtime/input/contract.ts'
import { ArrivalGate, classicSizeOf, inputIndexOf } from './arrival-gate.ts'
import type { BarrierVector } from './barrier-vector.ts'

/** One effect, written as vectors write it, and what old Flink writes in its place where that differs by a known rule. */
export interface ReplayedLine {
  readonly text: string
  /** Flink counts bytes that older alignments stored: a matter of the metric, matched either way. */
  readonly sameInFlink?: string
  /** Where Flink names the wrong id (see `markWrongIds`). */
  readonly wrongInFlink?: string
}

export interface Replay {
  readonly lines: readonly ReplayedLine[]
  readonly error: unknown
}

const CAUSES: Readonly<Record<AbortReason, string>> = {
  subsumed: 'CheckpointDeclineSubsumedException',
  'cancellation-barrier': 'CheckpointDeclineOnCancellationBarrierException',
  'input-end-of-stream': 'InputEndOfStreamException',
  'alignment-limit': 'AlignmentLimitExceededException',
  'aborted-by-coordinator': 'AbortedByCoordinator',
}

/** Runs the vector's input through the real handler, with the vector's policies. */
export function replayVector(vector: BarrierVector): Replay {
  const gate = new ArrivalGate(vector.channels, vector.arrivals)
  const handler = makeHandler(vector, gate)
  const recorder = new EffectRecorder(handler)
  handler.registerCheckpointEventHandler(recorder)
  try {
    for (;;) {
      const next = handler.getNextNonBlocked()
      if (next === null) break
      if (next === undefined) {
        const checkpoint = gate.takeDueAbort()
        if (checkpoint !== undefined) {
          handler.abort(checkpoint)
          continue
        }
        recorder.add('NOTHING NOW')
        break
      }
      const what = next.element.kind === 'end-of-partition' ? 'EOP' : inputIndexOf(next.element)
      recorder.add(`OUT ${what} ch${next.channel}`)
    }
    handler.cleanup()
    return { lines: markWrongIds(recorder.effects), error: null }
  } catch (error) {
    return { lines: markWrongIds(recorder.effects), error }
  }
}

function makeHandler(vector: BarrierVector, gate: ArrivalGate): BarrierBuffer | BarrierTracker {
  let now = 0
  // Every reading is later than the one before: an alignment that runs has lasted for more than 0.
  const monotonic = (): number => ++now
  const { blocked, endOfPartition } = vector.policies
  if (vector.handler === 'tracker') return new BarrierTracker({ gate, monotonic, endOfPartition })
  if (endOfPartition === 'ignored') throw new Error('refused when the vector was read')
  if (blocked === 'in-channel') return new BarrierBuffer({ gate, monotonic, blocked, endOfPartition })
  const { maxBufferedBytes } = vector
  return new BarrierBuffer({ gate, monotonic, blocked, endOfPartition, sizeOf: classicSizeOf, maxBufferedBytes })
}

type Effect =
  | { readonly kind: 'line'; readonly line: ReplayedLine }
  | { readonly kind: 'abort'; readonly id: CheckpointId; readonly reason: AbortReason; readonly wasAligning: boolean }

class EffectRecorder implements CheckpointListener {
  readonly effects: Effect[] = []
  private readonly handler: CheckpointBarrierHandler

  constructor(handler: CheckpointBarrierHandler) {
    this.handler = handler
  }

  add(text: string): void {
    this.effects.push({ kind: 'line', line: { text } })
  }

  onTrigger({ checkpoint }: CheckpointBarrier, { bytesBuffered }: AlignmentMetrics): void {
    const text = `TRIGGER ${checkpoint} buffered=${bytesBuffered}`
    const inFlink = this.handler instanceof BarrierBuffer ? this.handler.replayBytes : 0
    const sameInFlink = `TRIGGER ${checkpoint} buffered=${inFlink}`
    this.effects.push({ kind: 'line', line: bytesBuffered === 0 && inFlink > 0 ? { text, sameInFlink } : { text } })
  }

  onAbort(id: CheckpointId, reason: AbortReason): void {
    this.effects.push({ kind: 'abort', id, reason, wasAligning: this.handler.getAlignmentDurationMs() > 0 })
  }
}

/**
 * The one intended deviation: a cancellation marker for a newer checkpoint ends an alignment. Flink 1.1 to 1.8 has overwritten the id when it
 * reports the old checkpoint as subsumed, so its task hears of the newer one twice and never of the old one. Recognised by what happens: the
 * abort of the subsumed one comes when its alignment is already over (a newer *barrier* reports it while the alignment still runs), and the
 * abort of the newer one, by marker, follows at once.
 */
function markWrongIds(effects: readonly Effect[]): readonly ReplayedLine[] {
  return effects.map((effect, index) => {
    if (effect.kind === 'line') return effect.line
    const { id, reason, wasAligning } = effect
    const text = `ABORT ${id} ${CAUSES[reason]}`
    const following = effects[index + 1]
    const isByMarker = following?.kind === 'abort' && following.reason === 'cancellation-barrier' && following.id > id
    if (reason !== 'subsumed' || wasAligning || !isByMarker) return { text }
    return { text, wrongInFlink: `ABORT ${following.id} ${CAUSES.subsumed}` }
  })
}
