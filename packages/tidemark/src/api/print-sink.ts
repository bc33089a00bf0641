import { type Sink, SINK } from '../core/sink.ts'

/**
 * Writes every record to the console, at least once: after a crash some are printed again. Strings are printed as they are, everything else as the
 * console shows it.
 */
export function printSink(
  prefix: string | null,
  print: (...values: readonly unknown[]) => void = console.log,
): Sink<unknown, 'at-least-once'> {
  return {
    [SINK]: {},
    kind: 'print',
    delivery: 'at-least-once',
    createWriter: () => ({
      write(values, from, to) {
        for (let index = from; index < to; index++) {
          if (prefix === null) print(values[index])
          else print(`${prefix}>`, values[index])
        }
        return to
      },
      prepareCommit: () => Promise.resolve([]),
    }),
  }
}
