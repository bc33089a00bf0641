import { isTidemarkError } from '../core/errors.ts'
import { type HelpTopic, parseCommandLine, type RunCommand } from './command-line.ts'
import { EXIT, exitCodeOfError } from './exit-codes.ts'
import type { Host } from './host.ts'
import { leave, nodeHost } from './node-host.ts'

/** Does what the command line says and gives the exit code. What a command needs is loaded only then: `--version` answers at once. */
export async function main(host: Host, run: (command: RunCommand, host: Host) => Promise<number>): Promise<number> {
  try {
    const command = parseCommandLine(host.argv)
    if (command.kind === 'run') return await run(command, host)
    if (command.kind === 'build') {
      const [{ buildCommand }, { buildJob }] = await Promise.all([
        import('./build-command.ts'),
        import('../runtime/bundle/build-job.ts'),
      ])
      return await buildCommand(command, host, buildJob)
    }
    if (command.kind === 'kafka') {
      const [{ kafkaCommand }, { systemClock }, { NodeFileSystem }] = await Promise.all([
        import('./kafka-command.ts'),
        import('../runtime/job/system-clock.ts'),
        import('../runtime/storage/node-file-system.ts'),
      ])
      return await kafkaCommand(command.argv, host, systemClock, new NodeFileSystem())
    }
    host.stdout.write(command.kind === 'version' ? await version() : await help(command.topic))
    return EXIT.finished
  } catch (error) {
    if (!isTidemarkError(error)) throw error
    host.stderr.write(`tidemark: ${error.message}\n${error.action === undefined ? '' : `${error.action}\n`}`)
    return exitCodeOfError(error.code)
  }
}

async function version(): Promise<string> {
  const { OWN_VERSION } = await import('../runtime/bundle/own-package.ts')
  return `${OWN_VERSION}\n`
}

async function help(topic: HelpTopic): Promise<string> {
  const { buildHelp, generalHelp, runHelp } = await import('./help.ts')
  return topic === 'run' ? runHelp() : topic === 'build' ? buildHelp() : generalHelp()
}

/** Threads first: they start while all the rest is loaded. */
async function runWith(command: RunCommand, host: Host): Promise<number> {
  const { startThreadsAhead } = await import('./threads-ahead.ts')
  const threads = startThreadsAhead(command.execution)
  const { nodeEngine, runCommand } = await import('./run.ts')
  return runCommand(command, host, nodeEngine(threads))
}

/** What `bin/tidemark.js` calls. */
export async function start(): Promise<void> {
  leave(await main(nodeHost(), runWith))
}
