/** The command line that goes on where this one stopped: the same, without what said to start elsewhere. */
export function resumeCommand(argv: readonly string[], platform: string): string {
  const split = argv.indexOf('--')
  const own = split === -1 ? argv : argv.slice(0, split)
  const rest = split === -1 ? [] : argv.slice(split)
  const kept: string[] = []
  for (let index = 0; index < own.length; index++) {
    const argument = own[index]!
    if (argument === '--from') index++
    else if (!/^--(?:from|fresh|no-fresh)(?:=|$)/.test(argument)) kept.push(argument)
  }
  return ['npx', 'tidemark', ...kept, ...rest].map((argument) => quote(argument, platform)).join(' ')
}

/** So that a shell passes on exactly this. */
export function quote(argument: string, platform: string): string {
  if (/^[\w@%+=:,./-]+$/.test(argument)) return argument
  if (platform === 'win32') return `"${argument.replaceAll('"', '""')}"`
  return `'${argument.replaceAll("'", String.raw`'\''`)}'`
}
