/**
 * Reads or writes records of 100 bytes with kafkajs, in a loop and without any promise that a checkpoint gives.
 *
 *     node kafkajs.mjs PATH-OF-KAFKAJS read|write host:port topic records
 */
import { createRequire } from 'node:module'

const [, , path, mode, broker, topic, count] = process.argv
const { Kafka, logLevel } = createRequire(import.meta.url)(path)
const records = Number(count)
const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.ERROR })
let start = 0

function done() {
  const { user, system } = process.cpuUsage()
  const seconds = (performance.now() - start) / 1000
  console.log(JSON.stringify({ records, seconds, cpuSeconds: (user + system) / 1e6 }))
  process.exit(0)
}

if (mode === 'read') {
  let seen = 0
  const consumer = kafka.consumer({ groupId: `kafkajs-${Date.now()}`, maxBytesPerPartition: 4 << 20 })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    eachBatch: async ({ batch }) => {
      if (start === 0) start = performance.now()
      seen += batch.messages.length
      if (seen >= records) done()
    },
  })
} else {
  const value = Buffer.alloc(100, 'x')
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  start = performance.now()
  for (let sent = 0; sent < records; sent += 10_000) {
    await producer.send({ topic, acks: -1, messages: Array.from({ length: 10_000 }, () => ({ value })) })
  }
  done()
}
