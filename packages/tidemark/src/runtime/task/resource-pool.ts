import { isTidemarkError, TidemarkError } from '../../core/errors.ts'
import type { TaskId } from '../../core/ids.ts'
import type { Resource } from '../../core/resource.ts'

/** Opens the resources that tasks of one thread use: once per thread or once per task, as declared; closes all at the end of the attempt. */
export class ResourcePool {
  private readonly secret: (name: string) => string
  private readonly abort = new AbortController()
  private readonly opened = new Map<
    string,
    { readonly resource: Resource<unknown>; readonly value: Promise<unknown> }
  >()

  constructor(secret: (name: string) => string) {
    this.secret = secret
  }

  /** The values of the resources that one operator of a task declared. */
  async open(
    resources: Readonly<Record<string, Resource<unknown>>>,
    task: TaskId,
    subtask: number,
  ): Promise<Readonly<Record<string, unknown>>> {
    const entries = Object.entries(resources)
    if (entries.length === 0) return NO_RESOURCES
    const values = await Promise.all(
      entries.map(async ([alias, resource]) => [alias, await this.openOne(resource, task, subtask)] as const),
    )
    return Object.freeze(Object.fromEntries(values))
  }

  /** Closes everything, last opened first; throws the first error after trying all. */
  async close(): Promise<void> {
    this.abort.abort()
    let first: unknown
    for (const { resource, value } of [...this.opened.values()].toReversed()) {
      try {
        await resource.close?.(await value)
      } catch (error) {
        first ??= error
      }
    }
    this.opened.clear()
    if (first !== undefined) throw first
  }

  private openOne(resource: Resource<unknown>, task: TaskId, subtask: number): Promise<unknown> {
    const id = resource.per === 'task' ? `${resource.name} of ${task}` : resource.name
    let entry = this.opened.get(id)
    if (entry === undefined) {
      entry = { resource, value: this.start(resource, subtask) }
      this.opened.set(id, entry)
    }
    return entry.value
  }

  private async start(resource: Resource<unknown>, subtask: number): Promise<unknown> {
    try {
      return await resource.open({ secret: this.secret, signal: this.abort.signal, subtask })
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      // A secret that is not set stays so however often the job is restarted: its code and what to do about it are kept.
      const known = isTidemarkError(cause) ? cause : null
      throw new TidemarkError(
        known?.code ?? 'RESOURCE_FAILED',
        `resource ${resource.name} could not be opened: ${reason}`,
        {
          ...(known?.action === undefined ? {} : { action: known.action }),
          cause,
        },
      )
    }
  }
}

const NO_RESOURCES: Readonly<Record<string, unknown>> = Object.freeze({})
