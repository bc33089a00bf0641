/**
 * The tests of whole jobs once more, with the tasks of each job on three task hosts: the messages, channels and codecs that worker threads have, in virtual time. Not those of storage
 * faults: where tasks are changes nothing about what is written.
 */
import { placeOnHosts } from '../../testing/job-bench/job-bench.ts'

placeOnHosts(3)
await import('./job-checkpoints.test.ts')
await import('./job-failures.test.ts')
await import('./job-lifecycle.test.ts')
await import('./job-scenarios.test.ts')
await import('./job-state.test.ts')
await import('./job-topology.test.ts')
