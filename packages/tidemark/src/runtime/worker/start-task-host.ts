import type { Clock } from '../../core/clock.ts'
import { TidemarkError } from '../../core/errors.ts'
import type { FileSystem } from '../../core/file-system.ts'
import type { BuiltJob, JobDefinition } from '../../core/job.ts'
import { FileCheckpointStorage } from '../checkpoint/file-checkpoint-storage.ts'
import { executionGraph } from '../deploy/execution-graph.ts'
import { planDifference } from '../deploy/plan-difference.ts'
import type { FromTaskHost, WorkerStart } from './protocol.ts'
import { ThreadChannels } from './remote-channels.ts'
import { secretsOverLine } from './secret-line.ts'
import { TaskHost } from './task-host.ts'

/** Builds the job anew, makes sure that it is the same as in the main thread, and a task host for it. */
export async function startTaskHost(
  start: WorkerStart,
  loading: Promise<JobDefinition>,
  outside: { readonly clock: Clock; readonly files: FileSystem; readonly send: (message: FromTaskHost) => void },
): Promise<TaskHost> {
  const { worker, workers, options, run, epoch, attempt, directory, channels, doorbells } = start
  const job = await buildJob(start, await loading)
  const storage = new FileCheckpointStorage({ files: outside.files, directory, run, epoch }).forAttempt(attempt)
  return new TaskHost({
    ...outside,
    job,
    graph: executionGraph(job.plan, options.parallelism),
    options,
    run,
    epoch,
    storageOf: () => storage,
    secret: secretsOverLine(start.secrets),
    remote: new ThreadChannels({
      worker,
      workers,
      channels,
      doorbells,
      clock: outside.clock,
      isDevelopment: options.development,
    }),
  })
}

async function buildJob({ params, plan }: WorkerStart, definition: JobDefinition): Promise<BuiltJob> {
  const job = definition.build(params.kind === 'resolved' ? params.value : await definition.resolveParams(params.value))
  const difference = planDifference(plan, job.plan)
  if (difference === null) return job
  const { path, left, right } = difference
  throw new TidemarkError(
    'INVALID_JOB',
    `job ${plan.job} is not the same in every thread: ${path} of its plan is ${show(left)} in the main thread and ${show(right)} in a worker`,
    {
      action:
        'Build it from its parameters alone: the time, random numbers, the thread it runs in and counters of the module must not shape it.',
      context: { job: plan.job, path },
    },
  )
}

function show(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value)
}
