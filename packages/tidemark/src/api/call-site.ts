const STACK_FRAME = /(?:\(|\bat (?:async )?)((?:[^()]|\([^()]*\))+:\d+:\d+)\)?\s*$/

/**
 * A place in the user's code: `/path/job.ts:12:6`, or undefined where the engine gives no stack. To be called for a message only: the engine writes a stack down when it is first read, and then
 * looks every place up in the source map of its module, which takes tens of milliseconds in each thread.
 */
export type CallSite = () => string | undefined

/**
 * Where the user called `called`. Frames up to `called` are left out by the engine itself, so it does not matter how this package was bundled.
 */
export function callSite(called: (...args: never) => unknown): CallSite {
  const holder: { stack?: string } = {}
  if (typeof Error.captureStackTrace !== 'function') return () => undefined
  Error.captureStackTrace(holder, called)
  return () => {
    const frame = holder.stack?.split('\n').find((line) => line.trimStart().startsWith('at '))
    return frame === undefined ? undefined : frameLocation(frame)
  }
}

/** For a message that needs some place. */
export function placeOf(site: CallSite | undefined): string {
  return site?.() ?? 'an unknown place'
}

/** Where the user called this method of `owner`. */
export function methodCallSite<Owner extends object>(owner: Owner, method: keyof Owner & string): CallSite {
  return callSite(owner[method] as (...args: never) => unknown)
}

/** `file:line:column` of one line of a stack. */
export function frameLocation(frame: string): string | undefined {
  return STACK_FRAME.exec(frame)?.[1]?.replace(/^file:\/\/(?=\/)/, '')
}
