/** keyed-count with a timer in every thread that loads this file (the main thread and each worker), which writes how late it was to files in LATENESS_DIRECTORY. */
import { watchLateness } from '../harness/lateness.ts'

export { default } from './keyed-count.ts'

watchLateness(process.env['LATENESS_DIRECTORY'] ?? '')
