const STACK_FRAME = /(?:\(|\bat (?:async )?)((?:[^()]|\([^()]*\))+:\d+:\d+)\)?\s*$/

/**
 * Where the user called `called`: `/path/job.ts:12:6`, or undefined where the engine gives no stack. Frames up to `called` are left out by
 * the engine itself, so it does not matter how this package was bundled.
 */
export function callSite(called: (...args: never) => unknown): string | undefined {
  const holder: { stack?: string } = {}
  if (typeof Error.captureStackTrace !== 'function') return undefined
  Error.captureStackTrace(holder, called)
  const frame = holder.stack?.split('\n').find((line) => line.trimStart().startsWith('at '))
  return frame === undefined ? undefined : frameLocation(frame)
}

/** Where the user called this method of `owner`. */
export function methodCallSite<Owner extends object>(owner: Owner, method: keyof Owner & string): string | undefined {
  return callSite(owner[method] as (...args: never) => unknown)
}

/** `file:line:column` of one line of a stack. */
export function frameLocation(frame: string): string | undefined {
  return STACK_FRAME.exec(frame)?.[1]?.replace(/^file:\/\/(?=\/)/, '')
}
