/** For people who look at a job that does not go on: what its tasks are doing. Reads the engine's insides; changes nothing. */
export function describeStall(handle: object): string {
  const session = field(handle, 'session')
  const attempt = field(session, 'attempt')
  const host = field(attempt, 'host')
  const tasks = field(host, 'tasks')
  const lines = [`status ${String(Reflect.get(handle, 'status'))}`]
  if (attempt === null) return `${lines.join('')}, no attempt runs`
  for (const name of ['living', 'notReady', 'underway']) {
    const set = field(attempt, name)
    if (set instanceof Set && set.size > 0) lines.push(`${name}: ${set.size} (${[...set].map(String).join(' ')})`)
  }
  if (tasks instanceof Map) {
    for (const [id, task] of tasks as ReadonlyMap<string, object>) lines.push(`${id}: ${describeTask(task)}`)
  }
  return lines.join('\n  ')
}

function describeTask(task: object): string {
  const chain = field(task, 'chain')
  const controls = field(task, 'controls')
  const mailbox = field(task, 'mailbox')
  const snapshots = field(task, 'snapshots')
  return [
    String(Reflect.get(task, 'phaseNow')),
    chain !== null && Reflect.get(chain, 'isAtRest') === true ? 'at rest' : 'not at rest',
    chain !== null && Reflect.get(chain, 'isBlocked') === true ? 'blocked' : '',
    `${size(mailbox)} messages, ${size(controls)} controls, ${size(snapshots)} snapshots`,
  ].join(', ')
}

function size(list: unknown): number {
  return Array.isArray(list) ? list.length : 0
}

function field(object: unknown, name: string): object | null {
  if (typeof object !== 'object' || object === null) return null
  const value: unknown = Reflect.get(object, name)
  return typeof value === 'object' ? value : null
}
