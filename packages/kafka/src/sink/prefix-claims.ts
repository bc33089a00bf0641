import { type SinkIdentity, TidemarkError } from 'tidemark/connector'

/** Which sinks of this process use which transactional ids. Outside of it nothing can know. */
const claims = new Map<string, Pick<SinkIdentity, 'job' | 'operator'>>()

/**
 * Two sinks with the same ids would abort each other's transactions: the second one is refused. The same sink of the same job may claim again: a job that starts anew in a process, and
 * its ids differ by epoch.
 */
export function claimPrefix(brokers: string, prefix: string, { job, operator }: SinkIdentity): void {
  const key = `${brokers} ${prefix}`
  const owner = claims.get(key)
  if (owner !== undefined && (owner.job !== job || owner.operator !== operator)) {
    throw new TidemarkError(
      'INVALID_OPTION',
      `sink ${operator} of job ${job} and sink ${owner.operator} of job ${owner.job} both have transactionalIdPrefix ${JSON.stringify(prefix)}`,
      {
        action: 'Give each of them a prefix of its own, or none: then it is job and operator.',
        context: { job, operator },
      },
    )
  }
  claims.set(key, { job, operator })
}

export function releasePrefix(brokers: string, prefix: string, { job, operator }: SinkIdentity): void {
  const key = `${brokers} ${prefix}`
  const owner = claims.get(key)
  if (owner?.job === job && owner.operator === operator) claims.delete(key)
}
