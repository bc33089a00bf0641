import { STOP_SIGNALS } from './exit-codes.ts'
import type { Host, Output } from './host.ts'

/** The real process. */
export function nodeHost(): Host {
  const foreign = new Set<(text: string) => void>()
  return {
    argv: process.argv.slice(2),
    directory: process.cwd(),
    environment: process.env,
    platform: process.platform,
    stdout: nodeOutput(process.stdout, foreign),
    stderr: nodeOutput(process.stderr, foreign),
    now: () => Date.now(),
    monotonic: () => performance.now(),
    every(intervalMs, callback) {
      const timer = setInterval(callback, intervalMs)
      return () => clearInterval(timer)
    },
    onSignal(listener) {
      for (const signal of STOP_SIGNALS) process.on(signal, listener)
      return () => {
        for (const signal of STOP_SIGNALS) process.off(signal, listener)
      }
    },
    onForeignWrite(listener) {
      foreign.add(listener)
      return () => foreign.delete(listener)
    },
    onUncaught(listener) {
      process.on('uncaughtException', listener)
      process.on('unhandledRejection', listener)
      return () => {
        process.off('uncaughtException', listener)
        process.off('unhandledRejection', listener)
      }
    },
    showArguments(file, jobArguments) {
      process.argv = [process.execPath, file, ...jobArguments]
    },
    exit: (code) => process.exit(code),
  }
}

/** Ends the process when all output is written, whatever user code has left open. */
export function leave(code: number): void {
  process.exitCode = code
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
}

function nodeOutput(stream: NodeJS.WriteStream, foreign: ReadonlySet<(text: string) => void>): Output {
  const write = stream.write.bind(stream)
  // A reader that went away must not end the job.
  stream.on('error', () => {})
  stream.write = ((...given: Parameters<typeof write>) => {
    if (foreign.size > 0 && (typeof given[0] !== 'string' || given[0] !== '')) {
      const text = typeof given[0] === 'string' ? given[0] : Buffer.from(given[0]).toString('latin1')
      for (const listener of foreign) listener(text)
    }
    return write(...given)
  }) as typeof stream.write
  return {
    isTerminal: stream.isTTY ?? false,
    get columns() {
      const columns = stream.columns ?? Number(process.env['COLUMNS'])
      return Number.isInteger(columns) && columns > 0 ? columns : 80
    },
    write: (text) => void write(text),
  }
}
