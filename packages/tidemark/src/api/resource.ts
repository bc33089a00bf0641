import { type OpenContext, type Resource, RESOURCE, type Secret, SECRET } from '../core/resource.ts'
import { requireFunction, requireName, requireObject, requireOneOf } from './arguments.ts'
import { type CallSite, callSite } from './call-site.ts'

/** How a resource is opened and closed. */
export interface ResourceDefinition<R> {
  /** Once per worker (or task). What it throws fails the start of the job. */
  open(context: OpenContext): R | Promise<R>
  /** When the tasks that use it have stopped. */
  close?(value: R): void | Promise<void>
  /** `worker` (the default): shared by all tasks of a worker. `task`: one for each task. */
  readonly per?: 'worker' | 'task'
}

/** Resources by the name under which a process uses them. */
export type ResourceDeclarations = Readonly<Record<string, Resource<unknown>>>

/** The opened resources, as `use` gives them. */
export type Opened<U> = { readonly [Name in keyof U]: U[Name] extends Resource<infer R> ? R : never }

/**
 * A client or a pool that the engine opens and closes. Declaring it opens nothing. Within a job, `name` stands for one resource; tests replace it by
 * this name.
 */
export function resource<R>(name: string, definition: ResourceDefinition<R>): Resource<R> {
  const at = callSite(resource)
  requireName('a resource', name, at)
  requireDefinition(`resource '${name}'`, definition, at)
  const { per = 'worker' } = definition
  requireOneOf(`per of resource '${name}'`, per, ['worker', 'task'], at)
  return {
    [RESOURCE]: {},
    name,
    per,
    open: (context) => definition.open(context),
    ...(definition.close === undefined ? {} : { close: (value: R) => definition.close?.(value) }),
  }
}

function requireDefinition(what: string, definition: unknown, at: CallSite | undefined): void {
  requireObject(`the definition of ${what}`, definition, at)
  requireFunction(`open of ${what}`, definition.open, at)
  if (definition.close !== undefined) requireFunction(`close of ${what}`, definition.close, at)
}

/**
 * A reference to a secret: sources, sinks and resources resolve it when they open. The value itself is never part of params, plan, checkpoints or logs.
 */
export function secret(name: string): Secret {
  requireName('a secret', name, callSite(secret))
  return { [SECRET]: true, secret: name }
}
