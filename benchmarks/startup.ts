/**
 * What does the start of a small job cost, from the command line to its end, with a cold and a warm cache of bundles, beside Node with two workers that do nothing?
 * npm run bench:startup [-- --rounds 15]
 */
import { copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compare } from './harness/compare.ts'
import { ROOT } from './harness/root.ts'
import { handWritten, jobFile, numberArgument, runTidemark } from './harness/subjects.ts'

// A project of its own, as users have, so that its cache can be removed.
const project = await mkdtemp(join(tmpdir(), 'bench-startup-'))
const job = join(project, 'tiny.ts')
const cache = join(project, 'node_modules/.cache')
const run = () => runTidemark({ job, parallelism: 2, workers: 2, checkpointInterval: '1s', counted: 10 })

try {
  await mkdir(join(project, 'node_modules'))
  await symlink(join(ROOT, 'packages/tidemark'), join(project, 'node_modules/tidemark'))
  await symlink(join(ROOT, 'node_modules/zod'), join(project, 'node_modules/zod'))
  await copyFile(jobFile('tiny'), job)
  // Into the page cache.
  await run()
  await compare({
    title: 'a job of ten records that imports zod, parallelism 2 on 2 workers',
    units: null,
    subjects: [
      { name: 'warm bundle cache', run },
      {
        name: 'cold bundle cache',
        async run() {
          await rm(cache, { recursive: true, force: true })
          return run()
        },
      },
      handWritten('bare Node with 2 workers', 'two-workers.mjs'),
    ],
    rounds: numberArgument('rounds', 15),
  })
} finally {
  await rm(project, { recursive: true, force: true })
}
