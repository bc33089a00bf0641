/** A job file and all code of its project that it imports, as one module. Every worker and every restart imports these same bytes. */
export interface JobBundle {
  /** Absolute path of the job file. */
  readonly entry: string
  /** Absolute path of the module. */
  readonly file: string
  /** The file is in the cache, where its name holds the hash. What was built may be built again while a job runs. */
  readonly neverChanges: boolean
  /** SHA-256 of the module's bytes, in hexadecimal. */
  readonly hash: string
  /** Absolute paths of the files inside. What lies under node_modules is not among them: it is imported at run time. */
  readonly inputs: readonly string[]
  /** What the bundler found odd, for people. */
  readonly warnings: readonly string[]
  /** Nothing had changed since an earlier run: nothing was bundled. */
  readonly isFromCache: boolean
}
