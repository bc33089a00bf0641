import type { JobPlan } from '../../core/plan.ts'

/** Where two plans of what should be the same job differ first. */
export interface PlanDifference {
  /** `operators[2].id` */
  readonly path: string
  readonly left: unknown
  readonly right: unknown
}

/** Null when both are the same job. */
export function planDifference(left: JobPlan, right: JobPlan): PlanDifference | null {
  return difference(left, right, '')
}

function difference(left: unknown, right: unknown, path: string): PlanDifference | null {
  if (!isObject(left) || !isObject(right) || Array.isArray(left) !== Array.isArray(right))
    return Object.is(left, right) ? null : { path, left, right }
  const names = new Set([...Object.keys(left), ...Object.keys(right)])
  for (const name of names) {
    const step = Array.isArray(left) ? `[${name}]` : path === '' ? name : `.${name}`
    const found = difference(left[name], right[name], path + step)
    if (found !== null) return found
  }
  return null
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
