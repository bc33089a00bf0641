import { realpath, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { TidemarkError } from '../../core/errors.ts'

/** The real path of a job file; `JOB_MODULE` when there is none. */
export async function requireFile(entry: string): Promise<string> {
  const path = resolve(entry)
  const found = await stat(path).catch(() => null)
  if (found?.isFile() === true) return realpath(path)
  const what = found === null ? 'does not exist' : 'is not a file'
  throw new TidemarkError('JOB_MODULE', `the job file ${path} ${what}`, {
    action: 'Give the path of the TypeScript or JavaScript file that exports the job.',
    context: { file: path },
  })
}
