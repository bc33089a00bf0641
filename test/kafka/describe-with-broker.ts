import { describe, test } from 'vitest'
import { missingForBroker } from './java-kit.ts'

/** Like `describe`, where a broker can be started; else says loudly what is missing, and fails in CI. */
export function describeWithBroker(name: string, define: () => void): void {
  const missing = missingForBroker()
  if (missing === null) {
    describe(name, define)
    return
  }
  if (process.env['CI'] === 'true') {
    test(name, () => {
      throw new Error(missing)
    })
    return
  }
  console.warn(`\n*** LEFT OUT: ${name}\n*** ${missing}\n`)
  describe.skip(name, define)
}
