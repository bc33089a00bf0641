/**
 * How fast do two workers exchange small records by key (harness/exchange-workers.ts), beside a warm Flink that exchanges the same ones? Nothing is kept per key on either side. (exchange-job.ts takes whole jobs
 * that sum by key.)
 * npm run bench:exchange [-- --rounds 5 --records 20000000 --no-flink]
 */
import { join } from 'node:path'
import { compare, type Subject } from './harness/compare.ts'
import { measure } from './harness/measure.ts'
import { ROOT } from './harness/root.ts'
import { flink, hasFlink, numberArgument } from './harness/subjects.ts'

const rounds = numberArgument('rounds', 5)
const records = numberArgument('records', 20_000_000)
const withFlink = hasFlink()
const program = join(ROOT, 'node_modules/.cache/bench/exchange-workers.mjs')

function workers(transport: 'ring' | 'postMessage', keys: number): Subject {
  const argv = [process.execPath, program, '--transport', transport, '--keys', `${keys}`, '--records', `${records}`]
  return {
    name: transport,
    async run() {
      const { stdout, peakRssMegabytes } = await measure({ argv })
      return { ...(JSON.parse(stdout) as { seconds: number; cpuSeconds: number }), peakRssMegabytes }
    },
  }
}

for (const keys of [1000, 100_000]) {
  const size = ['--records', `${records}`, '--keys', `${keys}`]
  await compare({
    title: `two workers exchange ${records / 1e6} M records, ${keys} string keys`,
    units: { count: records, name: 'records' },
    subjects: [
      workers('ring', keys),
      ...(withFlink ? [flink('warm Flink p=2', 2, records, '--workload', 'exchange-alone', ...size)] : []),
      workers('postMessage', keys),
    ],
    rounds,
  })
}
