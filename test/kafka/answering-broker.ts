import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createSecureServer, type TlsOptions } from 'node:tls'
import { WireWriter } from '../../packages/kafka/src/client/protocol/wire.ts'

/** Requests by their keys, each with one version that clients of ours know. */
const VERSIONS = { 0: 11, 1: 15, 2: 7, 3: 12, 8: 8, 9: 8, 10: 4, 19: 7, 22: 4, 24: 3, 26: 4, 65: 0, 66: 1 }

export interface AnsweringBroker extends AsyncDisposable {
  readonly port: number
  readonly connections: number
  /** Keys of the requests that came, in order. */
  readonly requests: readonly number[]
}

/**
 * Something on a port of this machine that speaks a little of Kafka's protocol, well or badly: `answer` gives the body behind the header of the answer to a request, a function that does
 * something else with the socket, or null for none.
 */
export async function answeringBroker(
  answer: (key: number, connection: number) => WireWriter | ((socket: Socket) => void) | null,
  tls?: TlsOptions,
): Promise<AnsweringBroker> {
  const requests: number[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const serve = (socket: Socket): void => {
    const connection = ++connections
    sockets.add(socket)
    let bytes = Buffer.alloc(0)
    socket.on('error', () => undefined).on('close', () => void sockets.delete(socket))
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      while (bytes.length >= 12 && bytes.length >= 4 + bytes.readInt32BE(0)) {
        const key = bytes.readInt16BE(4)
        const correlation = bytes.readInt32BE(8)
        bytes = bytes.subarray(4 + bytes.readInt32BE(0))
        requests.push(key)
        const given = key === 18 ? (answer(key, connection) ?? versions()) : answer(key, connection)
        if (typeof given === 'function') given(socket)
        else if (given !== null) socket.write(frame(key, correlation, given))
      }
    })
  }
  const server: Server = tls === undefined ? createServer(serve) : createSecureServer(tls, serve)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { readonly port: number }
  return {
    port,
    requests,
    get connections() {
      return connections
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => void server.close(() => resolve()))
    },
  }
}

/** What such a broker answers first to a client that does not log in. */
export function firstAnswer(): Buffer {
  return frame(18, 1, versions())
}

function versions(): WireWriter {
  const writer = new WireWriter().int16(0)
  writer.array(Object.entries(VERSIONS), ([key, version]) =>
    writer.int16(Number(key)).int16(version).int16(version).end(),
  )
  return writer.int32(0).end()
}

function frame(key: number, correlation: number, body: WireWriter): Buffer {
  const payload = Buffer.concat(body.finish())
  const isOld = key === 18 || key === 17
  const head = Buffer.alloc(isOld ? 8 : 9)
  head.writeInt32BE(head.length - 4 + payload.length)
  head.writeInt32BE(correlation, 4)
  return Buffer.concat([head, payload])
}
