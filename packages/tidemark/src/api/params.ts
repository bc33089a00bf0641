import { TidemarkError } from '../core/errors.ts'
import { describeIssue, type StandardResult, type StandardSchema } from '../core/standard-schema.ts'

/** Raw parameters, validated and completed by the job's schema. `INVALID_PARAMS` lists every issue with its path. */
export async function resolveParams(
  job: string,
  schema: StandardSchema<unknown> | undefined,
  raw: unknown,
): Promise<unknown> {
  if (schema === undefined) {
    if (!isEmpty(raw)) {
      throw invalidParams(
        job,
        `job '${job}' takes no parameters`,
        'Leave them out, or give the job a schema: defineJob({ name, params, build }).',
      )
    }
    return undefined
  }
  let result: StandardResult<unknown>
  try {
    // Nothing given is an empty set of parameters: a schema may have defaults for all.
    result = await schema['~standard'].validate(raw === undefined ? {} : raw)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw invalidParams(
      job,
      `the schema of the parameters of job '${job}' threw: ${reason}`,
      'Correct the schema.',
      cause,
    )
  }
  if (result.issues === undefined) return result.value
  const issues = result.issues.map((issue) => `\n  ${describeIssue(issue)}`).join('')
  throw invalidParams(
    job,
    `the parameters of job '${job}' do not fit its schema:${issues}`,
    'Give parameters that fit: --set name=value on the command line, params from code.',
  )
}

function isEmpty(raw: unknown): boolean {
  return (
    raw === undefined ||
    raw === null ||
    (typeof raw === 'object' && !Array.isArray(raw) && Object.keys(raw).length === 0)
  )
}

function invalidParams(job: string, message: string, action: string, cause?: unknown): TidemarkError {
  return new TidemarkError('INVALID_PARAMS', message, { action, context: { job }, cause })
}
