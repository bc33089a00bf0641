import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { sharedBroker, startBroker, startBrokerOf } from './broker.ts'
import { describeWithBroker } from './describe-with-broker.ts'
import { isAlive } from './java-kit.ts'

describeWithBroker('the broker of the tests', () => {
  test('is the same one for everybody who shares it', async () => {
    const [first, second] = await Promise.all([sharedBroker(), sharedBroker()])
    expect(second).toEqual(first)
  })

  test('keeps its address over a kill and a restart, and leaves nothing when stopped', async () => {
    const broker = await startBroker({ tls: true, sasl: true })
    const { processId, bootstrap } = broker
    await broker.kill()
    expect(isAlive(processId)).toBe(false)
    await broker.restart()
    expect(broker.bootstrap).toBe(bootstrap)
    const restarted = broker.processId
    await broker.stop()
    expect([isAlive(restarted), existsSync(broker.directory)]).toEqual([false, false])
  })

  test('ends with its owner, however that ends', async () => {
    const owner = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
    const broker = await startBrokerOf(owner.pid!)
    const { processId } = broker
    owner.kill('SIGKILL')
    await vi.waitUntil(() => !isAlive(processId), { timeout: 120_000 })
    await broker.stop()
  })
})
