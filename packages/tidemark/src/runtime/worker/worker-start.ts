/** The entry of a worker thread: what it loads is compiled once per machine, where Node can keep that (22.1 and later). */
import module from 'node:module'

// As in bin/tidemark.js; it counts for this thread only.
;(module as { enableCompileCache?: () => unknown }).enableCompileCache?.()
await import('./worker-main.ts')
