import { codeOf, fetchOnce, newTopic, openClient } from './client-calls.ts'

/** Closes a client while a call is under way, on a connection that is open and on one that is being opened: nothing of it may keep the process alive. */
const client = openClient(process.argv[2]!)
const topic = await newTopic(client, 'ends')
const calls = [codeOf(fetchOnce(client, topic, { maxWaitMs: 60_000 }))]
await client.topics([topic])
const opening = openClient('192.0.2.1:9092', { connectTimeoutMs: 600_000 })
calls.push(codeOf(opening.topics([])))
await client.close()
await opening.close()
await Promise.all(calls)
console.log('closed')
