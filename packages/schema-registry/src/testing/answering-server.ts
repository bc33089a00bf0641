import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'

/** Answers whatever a test wants, over HTTP or TLS on a free port of this machine. */
export async function answering(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  tls?: ServerOptions,
): Promise<AsyncDisposable & { readonly url: string }> {
  const server = tls === undefined ? createServer(answer) : createSecureServer(tls, answer)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => void server.close(() => resolve()))
    },
  }
}
