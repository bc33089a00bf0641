import { isTidemarkError, TidemarkError } from '../core/errors.ts'
import { type BuiltJob, JOB, type JobDefinition } from '../core/job.ts'
import type { Source } from '../core/source.ts'
import { isStandardSchema, type StandardSchema } from '../core/standard-schema.ts'
import {
  invalidJob,
  requireFunction,
  requireName,
  requireObject,
  requireOneOf,
  requireSink,
  requireSource,
  show,
} from './arguments.ts'
import { type CallSite, callSite } from './call-site.ts'
import { outputStream } from './data-stream.ts'
import { DEAD_LETTERS, JobGraph } from './job-graph.ts'
import { type ErrorHandling, FAIL } from './on-error.ts'
import { resolveParams } from './params.ts'
import type { SourceStream, StreamHandle } from './stream.ts'
import { requireStream } from './stream-node.ts'

/** What `build` is given. */
export interface JobBuilder {
  /**
   * Records from a source. The name is what its positions are stored under: keep it. A source with dead letters (what it could not decode goes to a sink of its own) adds a
   * sink step with the name of the source and `.dead-letters`.
   */
  source<T>(name: string, source: Source<T>): SourceStream<T>
}

/** What `build` may return: streams by name, for tests. */
export type Ports = Readonly<Record<string, StreamHandle<unknown>>>

/** A job, ready to be started or tested. */
export type Job<Params = unknown, P = unknown> = JobDefinition<Params, P>

/** The streams that the build function of a job returned. */
export type PortsOf<J> = J extends { readonly [JOB]: { readonly ports?: infer P } } ? P : never

/** A job with parameters. */
export interface JobOptions<Params, P extends Ports | void> {
  readonly name: string
  /** The schema of the parameters: zod, valibot, arktype or any other Standard Schema. */
  readonly params: StandardSchema<Params>
  build(job: JobBuilder, params: Params): P
}

/** Defines a job without parameters. */
export function defineJob<P extends Ports | void>(name: string, build: (job: JobBuilder) => P): Job<undefined, P>
export function defineJob<Params, P extends Ports | void>(options: JobOptions<Params, P>): Job<Params, P>
export function defineJob(nameOrOptions: unknown, build?: unknown): Job {
  const at = callSite(defineJob)
  const { name, params, ...rest } =
    typeof nameOrOptions === 'string' ? { name: nameOrOptions, build } : options(nameOrOptions, at)
  requireName('a job', name, at)
  const makeSteps = rest.build
  requireFunction(`build of job '${name}'`, makeSteps, at)
  if (params !== undefined && !isStandardSchema(params)) {
    throw invalidJob(
      `params of job '${name}' is not a schema: got ${show(params)}`,
      'Give a Standard Schema, for example z.object({ … }).',
      at,
    )
  }
  return Object.freeze({
    [JOB]: {},
    name,
    takesParams: params !== undefined,
    resolveParams: (raw: unknown) => resolveParams(name, params, raw),
    build: (resolved: unknown) => buildJob(name, makeSteps as unknown as Build, resolved),
  })
}

type Build = (job: JobBuilder, params: unknown) => unknown

function options(given: unknown, at: CallSite | undefined): Readonly<Record<string, unknown>> {
  requireObject('the argument of defineJob()', given, at)
  for (const option of Object.keys(given))
    requireOneOf('an option of defineJob()', option, ['name', 'params', 'build'], at)
  return given
}

function buildJob(name: string, build: Build, params: unknown): BuiltJob {
  const graph = new JobGraph(name)
  try {
    const returned = build(jobBuilder(graph), params)
    return graph.finish(portsOf(returned, graph))
  } catch (error) {
    throw inJob(name, error)
  } finally {
    graph.close()
  }
}

function jobBuilder(graph: JobGraph): JobBuilder {
  function source<T>(name: string, given: Source<T>): SourceStream<T> {
    const at = callSite(source)
    requireName('a source', name, at)
    requireSource(`source '${name}'`, given, at)
    const operator = graph.add({
      kind: 'source',
      name,
      label: 'source',
      at,
      inputs: [],
      outputs: ['out'],
      states: [],
      behaviour: { kind: 'source', source: given },
      errors: deadLettersOf(name, given, at),
      details: { connector: given.kind, ...(given.describe === undefined ? {} : { describe: given.describe }) },
    })
    return outputStream(graph, operator, 0) as unknown as SourceStream<T>
  }
  return Object.freeze({ source })
}

function deadLettersOf(source: string, { deadLetters }: Source<unknown>, at: CallSite | undefined): ErrorHandling {
  if (deadLetters === undefined) return FAIL
  const sink: unknown = deadLetters
  requireSink(`the dead-letter sink of source '${source}'`, sink, at)
  return { policy: 'dead-letter', deadLetters: { name: `${source}.${DEAD_LETTERS}`, sink } }
}

function portsOf(returned: unknown, graph: JobGraph): BuiltJob['ports'] {
  if (returned === undefined) return {}
  if (isPromiseLike(returned)) {
    throw invalidJob(
      'build returned a promise',
      'Make build synchronous: open clients in resources, sources and sinks.',
    )
  }
  requireObject('what build returned', returned, undefined)
  const ports: Record<string, BuiltJob['ports'][string]> = {}
  for (const [name, stream] of Object.entries(returned)) {
    const { origins } = requireStream(`'${name}', which build returned,`, stream, graph, undefined)
    const [origin] = origins
    if (origin === undefined || origins.length > 1) {
      throw invalidJob(`'${name}', which build returned, is a union`, 'Return its parts, or a step after it.')
    }
    ports[name] = { operator: origin.operator, output: origin.output }
  }
  return ports
}

function isPromiseLike(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** Every error of a build names the job. */
function inJob(job: string, error: unknown): TidemarkError {
  if (!isTidemarkError(error)) {
    const reason = error instanceof Error ? error.message : String(error)
    return new TidemarkError('INVALID_JOB', `build of job '${job}' threw: ${reason}`, {
      action: 'Correct the build function.',
      context: { job },
      cause: error,
    })
  }
  if (error.context.job !== undefined) return error
  const { code, message, action, context, cause } = error
  return new TidemarkError(code, `job '${job}': ${message}`, {
    ...(action === undefined ? {} : { action }),
    context: { ...context, job },
    cause: cause ?? error,
  })
}
