// Node with two workers that start, answer and end.
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'

if (isMainThread) {
  for (let count = 0; count < 2; count++) new Worker(fileURLToPath(import.meta.url)).on('message', () => {})
} else {
  parentPort.postMessage('ready')
}
