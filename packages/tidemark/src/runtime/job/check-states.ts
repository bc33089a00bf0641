import { TidemarkError } from '../../core/errors.ts'
import type { OperatorId } from '../../core/ids.ts'
import type { BuiltJob } from '../../core/job.ts'
import type { KeyedStateSnapshot, Manifest, OperatorSnapshot } from '../../core/manifest.ts'
import type { PlanOperator } from '../../core/plan.ts'
import type { TaskCheckpointStorage } from '../checkpoint/contract.ts'
import { statesOf } from '../operator/create-operator.ts'
import { type BlockTarget, readKeyedBlock } from '../state/keyed-block.ts'
import { ABSENT } from '../state/state-column.ts'
import { matchStates, matchTaskState } from '../state/state-compatibility.ts'
import { SPLITS } from '../task/source-task-input.ts'

/**
 * Refuses a checkpoint whose states, or connectors, are not those of the job (`STATE_INCOMPATIBLE`): before anything is written, where tasks would find out only when they open. Whether any key still has
 * a state that is no longer declared says only its content: that is read here, but only then.
 */
export async function checkStates(
  manifest: Manifest,
  job: BuiltJob,
  storage: Pick<TaskCheckpointStorage, 'readRange'>,
): Promise<void> {
  const operators = new Map(job.plan.operators.map((operator) => [operator.id, operator]))
  checkConnectors(manifest, operators)
  for (const { tasks } of manifest.vertices) {
    for (const snapshot of tasks.flatMap((task) => task.operators)) {
      const operator = operators.get(snapshot.operator)
      // One that is missing was refused if it had any state.
      if (operator === undefined) continue
      checkTaskStates(snapshot, operator, job)
      if (snapshot.keyed !== null && snapshot.keyed.blocks.length > 0) {
        await checkKeyedStates(snapshot.keyed, operator, job, storage)
      }
    }
  }
}

/** Positions and transactions mean something only to the kind of connector that they come from: any other would take them for its own, and leave out the rest of the input. */
function checkConnectors(manifest: Manifest, operators: ReadonlyMap<OperatorId, PlanOperator>): void {
  const withPositions = new Set(manifest.enumerators.map(({ operator }) => operator))
  const withTransactions = new Set(manifest.committables.map(({ operator }) => operator))
  for (const { id, connector } of manifest.plan.operators) {
    const now = operators.get(id)
    if (now === undefined || now.connector === connector) continue
    const what = withPositions.has(id) ? 'positions' : withTransactions.has(id) ? 'transactions' : null
    if (what === null) continue
    throw new TidemarkError(
      'STATE_INCOMPATIBLE',
      `${now.kind} ${id} is of kind '${now.connector}', but checkpoint ${manifest.checkpoint} holds ${what} of one of kind '${connector}'`,
      {
        action: `Give it its old kind again, or start afresh with --fresh. A ${now.kind} of another kind takes another name.`,
        context: { job: manifest.job, operator: id, checkpoint: manifest.checkpoint },
      },
    )
  }
}

function checkTaskStates({ lists }: OperatorSnapshot, operator: PlanOperator, job: BuiltJob): void {
  const states = statesOf(job, operator)
  for (const list of lists) {
    if (list.name === SPLITS) continue
    const name = matchTaskState(operator.id, list, states)
    if (isKeyed(operator) && list.mode !== 'broadcast') throw otherOwner(operator, name, 'of each task', 'of each key')
  }
}

async function checkKeyedStates(
  keyed: KeyedStateSnapshot,
  operator: PlanOperator,
  job: BuiltJob,
  storage: Pick<TaskCheckpointStorage, 'readRange'>,
): Promise<void> {
  const states = Object.entries(statesOf(job, operator)).filter(([, { kind }]) => kind !== 'broadcast')
  if (!isKeyed(operator)) throw otherOwner(operator, keyed.states[0]!.name, 'of each key', 'of each task')
  const names = states.map(([name]) => name)
  const descriptors = states.map(([, descriptor]) => descriptor)
  const matched = matchStates(operator.id, keyed.states, names, descriptors)
  if (matched.every(({ state }) => state !== null)) return
  for (const block of keyed.blocks) {
    const bytes = await storage.readRange(keyed.handle, block.offset, block.length, block.crc32c)
    readKeyedBlock(bytes, block, matched, nowhere(operator))
  }
}

function isKeyed({ inputs }: PlanOperator): boolean {
  return inputs.some(({ kind }) => kind === 'keyed')
}

/** Reading into it only shows whether there is anything to refuse. */
function nowhere(operator: PlanOperator): BlockTarget {
  return { operator: operator.id, newestSnapshot: 0, enter: () => true, read: () => ABSENT, write: () => {} }
}

function otherOwner(operator: PlanOperator, name: string, stored: string, now: string): TidemarkError {
  return new TidemarkError(
    'STATE_INCOMPATIBLE',
    `state '${name}' of ${operator.id} is state ${now}, but in the checkpoint it is state ${stored}`,
    {
      action: `Give the operator ${stored === 'of each key' ? 'its keyed input' : 'an input without keys'} again, or another name, or start afresh with --fresh.`,
      context: { operator: operator.id },
    },
  )
}
