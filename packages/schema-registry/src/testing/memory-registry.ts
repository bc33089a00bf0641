import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { SchemaReference } from '../options.ts'

interface Stored {
  readonly schema: string
  readonly schemaType?: string
  readonly references?: readonly SchemaReference[]
}

/** A schema registry as Confluent's answers, over HTTP on a free port of this machine; in memory. */
export class MemoryRegistry implements AsyncDisposable {
  /** `GET /schemas/ids/1`, … in the order of their arrival. */
  readonly requests: string[] = []
  readonly authorizations = new Set<string>()
  /** Answers in the place of the next ones: a status, or `hang-up`. */
  readonly faults: (number | 'hang-up')[] = []
  /** Where set, a request needs this header. */
  authorization: string | null = null
  /** Decides whether a schema may follow another. */
  isCompatible: (next: string, before: string) => boolean = () => true
  private readonly ids: Stored[] = []
  private readonly subjects = new Map<string, number[]>()
  private readonly server: Server

  private constructor() {
    this.server = createServer((request, response) => {
      void this.body(request).then((body) => {
        const path = request.url ?? ''
        this.requests.push(`${request.method} ${path}`)
        this.authorizations.add(request.headers.authorization ?? '')
        const fault = this.faults.shift()
        if (fault === 'hang-up') return void request.socket.destroy()
        const [status, answer] =
          fault !== undefined ? [fault, { error_code: fault, message: 'a fault' }] : this.answer(request, path, body)
        response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' })
        response.end(JSON.stringify(answer))
      })
    })
  }

  static async start(): Promise<MemoryRegistry> {
    const registry = new MemoryRegistry()
    await new Promise<void>((resolve) => void registry.server.listen(0, '127.0.0.1', resolve))
    return registry
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** Registers directly; returns the id. */
  register(subject: string, stored: Stored): number {
    const text = JSON.stringify(stored)
    let id = this.ids.findIndex((known) => JSON.stringify(known) === text) + 1
    if (id === 0) id = this.ids.push(stored)
    const versions = this.subjects.get(subject) ?? []
    if (!versions.includes(id)) versions.push(id)
    this.subjects.set(subject, versions)
    return id
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections()
    await new Promise<void>((resolve) => void this.server.close(() => resolve()))
  }

  private answer(request: IncomingMessage, path: string, body: string): readonly [number, object] {
    if (this.authorization !== null && request.headers.authorization !== this.authorization)
      return [401, { error_code: 401, message: 'Unauthorized' }]
    const parts = path.split('/').slice(1).map(decodeURIComponent)
    if (request.method === 'GET' && parts[0] === 'schemas') return this.byId(Number(parts[2]))
    const subject = parts[1]!
    const versions = this.subjects.get(subject) ?? []
    if (request.method === 'GET') {
      const version = parts[3] === 'latest' ? versions.length : Number(parts[3])
      const id = versions[version - 1]
      if (id === undefined) return [404, { error_code: 40401, message: `Subject '${subject}' not found.` }]
      return [200, { subject, version, id, ...this.ids[id - 1] }]
    }
    const stored = JSON.parse(body) as Stored
    if (parts[2] !== 'versions') {
      const id = this.ids.findIndex((known) => JSON.stringify(known) === JSON.stringify(stored)) + 1
      if (!versions.includes(id)) return [404, { error_code: 40403, message: 'Schema not found' }]
      return [200, { subject, id, version: versions.indexOf(id) + 1, ...stored }]
    }
    const before = versions.at(-1)
    if (before !== undefined && !this.isCompatible(stored.schema, this.ids[before - 1]!.schema))
      return [409, { error_code: 409, message: 'Schema being registered is incompatible with an earlier schema' }]
    return [200, { id: this.register(subject, stored) }]
  }

  private byId(id: number): readonly [number, object] {
    const stored = this.ids[id - 1]
    return stored === undefined ? [404, { error_code: 40403, message: 'Schema not found' }] : [200, stored]
  }

  private async body(request: IncomingMessage): Promise<string> {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    return body
  }
}
