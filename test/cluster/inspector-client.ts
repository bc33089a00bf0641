import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import type { Socket } from 'node:net'

type Fields = Readonly<Record<string, unknown>>
export interface InspectorMessage {
  readonly method: string
  readonly params: Fields
}

/** One thread as a debugger sees it. Node's inspector answers in the order in which it was asked. */
export class InspectorSession {
  private readonly transmit: (message: string) => void
  private readonly answers = new Map<number, { resolve(result: Fields): void; reject(error: Error): void }>()
  private readonly listeners = new Set<(message: InspectorMessage) => void>()
  private asked = 0

  constructor(transmit: (message: string) => void) {
    this.transmit = transmit
  }

  ask(method: string, params: Fields = {}): Promise<Fields> {
    const id = ++this.asked
    this.transmit(JSON.stringify({ id, method, params }))
    return new Promise((resolve, reject) => this.answers.set(id, { resolve, reject }))
  }

  on(method: string, listener: (params: Fields) => void): () => void {
    const listen = (message: InspectorMessage) => {
      if (message.method === method) listener(message.params)
    }
    this.listeners.add(listen)
    return () => this.listeners.delete(listen)
  }

  /** The next event of this name that fits. */
  next(method: string, fits: (params: Fields) => boolean = () => true): Promise<Fields> {
    return new Promise((resolve) => {
      const stop = this.on(method, (params) => {
        if (!fits(params)) return
        stop()
        resolve(params)
      })
    })
  }

  receive(text: string): void {
    const { id, method, params, result, error } = JSON.parse(text) as {
      readonly id?: number
      readonly method?: string
      readonly params?: Fields
      readonly result?: Fields
      readonly error?: { readonly message: string }
    }
    if (id === undefined) {
      for (const listener of this.listeners) listener({ method: method!, params: params ?? {} })
      return
    }
    const answer = this.answers.get(id)
    this.answers.delete(id)
    if (error === undefined) answer?.resolve(result ?? {})
    else answer?.reject(new Error(error.message))
  }

  /** Worker threads, each as it appears, held before its first line. */
  async onWorker(attached: (session: InspectorSession, title: string) => void): Promise<void> {
    const workers = new Map<unknown, InspectorSession>()
    this.on('NodeWorker.attachedToWorker', ({ sessionId, workerInfo }) => {
      const session = new InspectorSession((message) => {
        // One that has ended no longer answers.
        this.ask('NodeWorker.sendMessageToWorker', { sessionId, message }).catch(() => {})
      })
      workers.set(sessionId, session)
      attached(session, (workerInfo as { readonly title: string }).title)
    })
    this.on('NodeWorker.receivedMessageFromWorker', ({ sessionId, message }) => {
      workers.get(sessionId)?.receive(message as string)
    })
    await this.ask('NodeWorker.enable', { waitForDebuggerOnStart: true })
  }
}

/** Connects to `ws://127.0.0.1:…/…`, as a debugger does. Only what Node's inspector needs of WebSockets. */
export async function connectInspector(
  url: string,
): Promise<{ readonly session: InspectorSession; readonly close: () => void }> {
  const socket = await upgrade(url)
  const session = new InspectorSession((message) => socket.write(maskedTextFrame(message)))
  let buffer: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk])
    for (let frame = readFrame(buffer); frame !== null; frame = readFrame(buffer)) {
      buffer = buffer.subarray(frame.end)
      if (frame.opcode === TEXT) session.receive(frame.text)
    }
  })
  socket.on('error', () => {})
  return { session, close: () => socket.destroy() }
}

const TEXT = 1

function upgrade(url: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    }
    const asked = request(url.replace('ws:', 'http:'), { headers })
    asked.on('upgrade', (_, socket) => resolve(socket))
    asked.on('error', reject)
    asked.end()
  })
}

function maskedTextFrame(text: string): Buffer {
  const payload = Buffer.from(text)
  const header = Buffer.alloc(10)
  header[0] = 0x80 | TEXT
  header[1] = 0x80 | 127
  header.writeBigUInt64BE(BigInt(payload.length), 2)
  // Masked with zeros: any mask is a mask.
  return Buffer.concat([header, Buffer.alloc(4), payload])
}

function readFrame(buffer: Buffer): { readonly opcode: number; readonly text: string; readonly end: number } | null {
  if (buffer.length < 2) return null
  const short = buffer[1]! & 0x7f
  const start = short < 126 ? 2 : short === 126 ? 4 : 10
  if (buffer.length < start) return null
  const length = short < 126 ? short : short === 126 ? buffer.readUInt16BE(2) : Number(buffer.readBigUInt64BE(2))
  const end = start + length
  return buffer.length < end ? null : { opcode: buffer[0]! & 0x0f, text: buffer.toString('utf8', start, end), end }
}
