import { type ExecutionOptions, OPTION_TABLE, type OptionRow } from '../core/options.ts'

/** Flags of `tidemark run` that are no execution options. The same columns as OPTION_TABLE. */
export const RUN_TABLE = {
  from: {
    flag: '--from',
    value: 'PATH',
    default: '',
    help: 'Start from this checkpoint (its folder or manifest) instead of the newest one of the job.',
  },
  fresh: {
    flag: '--fresh',
    value: '',
    default: '',
    help: 'Start without state although a checkpoint exists. Deletes no output.',
  },
  set: {
    flag: '--set',
    value: 'KEY=VALUE …',
    default: '',
    help: "A parameter of the job; dots nest. Read as JSON where the job's schema takes it so, else as text.",
  },
  allowDuplicates: {
    flag: '--allow-duplicates',
    value: '',
    default: '',
    help: 'With --from: accept an older checkpoint although results since then come twice.',
  },
  json: {
    flag: '--json',
    value: '',
    default: '',
    help: 'Write events and metrics to standard output, one JSON object per line.',
  },
  live: {
    flag: '--live',
    value: '',
    default: 'on a terminal',
    help: 'Show one line that is kept up to date; --no-live writes lines only.',
  },
  verbose: {
    flag: '--verbose',
    value: '',
    default: '',
    help: 'Tell more, and show whole stack traces.',
  },
  help: { flag: '--help', value: '', default: '', help: 'Show this.' },
} as const satisfies Readonly<Record<string, OptionRow>>

/** Flags of `tidemark build`. */
export const BUILD_TABLE = {
  out: {
    flag: '--out',
    value: 'DIR',
    default: 'dist',
    help: 'The folder to write to: the module, its source map, and a package.json with what has to be installed beside it.',
  },
  help: { flag: '--help', value: '', default: '', help: 'Show this.' },
} as const satisfies Readonly<Record<string, OptionRow>>

export type ExecutionOptionName = keyof typeof OPTION_TABLE
export type RunOptionName = keyof typeof RUN_TABLE

/** What a flag sets. */
export type Flag = {
  readonly row: OptionRow
  readonly target:
    | { readonly kind: 'execution'; readonly name: ExecutionOptionName }
    | { readonly kind: 'run'; readonly name: RunOptionName }
}

export const RUN_FLAGS: ReadonlyMap<string, Flag> = new Map(
  [
    ...entries(OPTION_TABLE).map(([name, row]): Flag => ({ row, target: { kind: 'execution', name } })),
    ...entries(RUN_TABLE).map(([name, row]): Flag => ({ row, target: { kind: 'run', name } })),
  ].map((flag) => [flag.row.flag, flag]),
)

/** The text of an execution option as `run` takes it. What it means is checked there, not here. */
export function readOption(row: OptionRow, text: string): string | number | boolean {
  if (row.value === '') return text === 'true' ? true : text === 'false' ? false : text
  const isNumber = (row.value === 'N' || row.value === 'TIME') && /^-?\d+(?:\.\d+)?$/.test(text)
  return isNumber ? Number(text) : text
}

/** One option as `run` takes it. Unchecked: `resolveOptions` says whether the value fits. */
export function asExecutionOption(name: ExecutionOptionName, value: unknown): ExecutionOptions {
  return { [name]: value }
}

function entries<K extends string>(table: Readonly<Record<K, OptionRow>>): readonly (readonly [K, OptionRow])[] {
  return Object.entries(table) as unknown as readonly (readonly [K, OptionRow])[]
}
