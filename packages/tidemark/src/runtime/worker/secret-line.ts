import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { type ErrorInfo, fromErrorInfo, TidemarkError, toErrorInfo } from '../../core/errors.ts'

/** How a worker asks the main thread for secrets: a function that finds them cannot be sent, and values are not sent unasked. */
export interface SecretLine {
  readonly port: MessagePort
  /** Rung (counted up) when an answer is there. */
  readonly bell: Int32Array
}

type Answer = { readonly kind: 'value'; readonly value: string } | { readonly kind: 'error'; readonly error: ErrorInfo }

/** The worker's end. The contract gives secrets synchronously, so the thread waits for the answer; this is for `open`, not for records. */
export function secretsOverLine({ port, bell }: SecretLine): (name: string) => string {
  return (name) => {
    const rung = Atomics.load(bell, 0)
    port.postMessage(name)
    Atomics.wait(bell, 0, rung)
    const answer = receiveMessageOnPort(port)?.message as Answer | undefined
    if (answer === undefined) throw new TidemarkError('SECRET_MISSING', `no answer came for secret ${name}`)
    if (answer.kind === 'error') throw fromErrorInfo(answer.error)
    return answer.value
  }
}

/** The main thread's end: answers until the port is closed. */
export function answerSecrets({ port, bell }: SecretLine, secret: (name: string) => string): void {
  port.on('message', (name: string) => {
    port.postMessage(answerTo(name, secret))
    Atomics.add(bell, 0, 1)
    Atomics.notify(bell, 0)
  })
  port.unref()
}

function answerTo(name: string, secret: (name: string) => string): Answer {
  try {
    return { kind: 'value', value: secret(name) }
  } catch (error) {
    return { kind: 'error', error: toErrorInfo(error) }
  }
}
