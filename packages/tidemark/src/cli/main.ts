import { isTidemarkError } from '../core/errors.ts'
import type { JobDefinition } from '../core/job.ts'
import type { ExecutionOptions } from '../core/options.ts'
import type { JobBundle } from '../runtime/bundle/contract.ts'
import { type HelpTopic, parseCommandLine } from './command-line.ts'
import { EXIT, exitCodeOfError } from './exit-codes.ts'
import type { Host } from './host.ts'
import { leave, nodeHost } from './node-host.ts'
import type { Engine } from './run-command.ts'

/** Does what the command line says and gives the exit code. What a command needs is loaded only then: `--version` answers at once. */
export async function main(host: Host, loadEngine: (execution: ExecutionOptions) => Promise<Engine>): Promise<number> {
  try {
    const command = parseCommandLine(host.argv)
    if (command.kind === 'run') {
      const [engine, { runCommand }] = await Promise.all([loadEngine(command.execution), import('./run-command.ts')])
      return await runCommand(command, host, engine)
    }
    if (command.kind === 'build') {
      const [{ buildCommand }, { buildJob }] = await Promise.all([
        import('./build-command.ts'),
        import('../runtime/bundle/build-job.ts'),
      ])
      return await buildCommand(command, host, buildJob)
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

async function loadEngine(execution: ExecutionOptions): Promise<Engine> {
  const { startThreadsAhead } = await import('./threads-ahead.ts')
  // First: they start while all the rest is loaded.
  const threads = startThreadsAhead(execution)
  const [{ bundleJob }, { loadJob }, { OWN_PACKAGE }, { runModule }] = await Promise.all([
    import('../runtime/bundle/bundle-job.ts'),
    import('../runtime/bundle/load-job.ts'),
    import('../runtime/bundle/own-package.ts'),
    import('../runtime/job/run.ts'),
  ])
  const bundles = new WeakMap<JobDefinition, JobBundle>()
  return {
    async load(file) {
      const bundle = await bundleJob(file)
      threads.loadAhead(bundle)
      const job = await loadJob(bundle)
      bundles.set(job, bundle)
      return { job, warnings: bundle.warnings }
    },
    // Workers load the very bytes that were loaded here.
    run: (job, options) => runModule(job, options, async () => bundles.get(job)!, threads),
    ownPackage: OWN_PACKAGE,
  }
}

/** What `bin/tidemark.js` calls. */
export async function start(): Promise<void> {
  leave(await main(nodeHost(), loadEngine))
}
