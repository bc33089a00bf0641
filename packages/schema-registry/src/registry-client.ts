import { setTimeout as pause } from 'node:timers/promises'
import { type ErrorCode, TidemarkError } from 'tidemark/connector'
import { httpRequest, type HttpRequest, type HttpResponse } from './http-request.ts'
import { type CheckedOptions, invalid, type SchemaReference } from './options.ts'
import { parseAnswer, type RegistryAnswer } from './registry-answer.ts'
import { credentials, type Credentials } from './registry-credentials.ts'

export type SchemaType = 'AVRO' | 'JSON' | 'PROTOBUF'

/** A schema as the registry holds it, with all that it refers to, each before those that refer to it. */
export interface RegisteredSchema {
  /** Of a registry's schema also one that is not known here. */
  readonly type: string
  readonly schema: string
  readonly references: readonly ResolvedReference[]
}

export interface ResolvedReference {
  readonly name: string
  readonly schema: string
}

export interface NewSchema {
  readonly type: SchemaType
  readonly schema: string
  readonly references: readonly SchemaReference[]
}

const HEADERS = {
  accept: 'application/vnd.schemaregistry.v1+json',
  'content-type': 'application/vnd.schemaregistry.v1+json',
}
const FIRST_PAUSE_MS = 200
const LAST_PAUSE_MS = 5_000
const NOT_FOUND = 404
/** Records with as many ids that nobody knows, which are asked for one by one, must not open as many connections. */
const MOST_REQUESTS = 16
/** What one schema may refer to, on all levels: more than anybody has, and an end to references that never end. */
const MOST_REFERENCES = 1000
const LONGEST_REASON = 300

/** Talks to the registry: bounded retries, credentials that are never part of a message. */
export class RegistryClient {
  private readonly options: CheckedOptions
  private readonly credentials: Credentials
  /** Of errors that may pass: whom they concern. */
  private readonly failure: Extract<ErrorCode, 'SOURCE_FAILED' | 'SINK_FAILED'>
  private next = 0
  private underWay = 0
  private readonly waiting: (() => void)[] = []

  constructor(options: CheckedOptions, secret: (name: string) => string, failure: RegistryClient['failure']) {
    this.options = options
    this.failure = failure
    this.credentials = credentials(options, secret)
  }

  /** Null: the registry does not know the id, also when asked again. */
  async schemaById(id: number): Promise<RegisteredSchema | null> {
    const answer = await this.ask('GET', `/schemas/ids/${id}`, null, { isMissingRetried: true })
    return answer === null ? null : this.resolved(answer)
  }

  async latest(subject: string): Promise<{ readonly id: number; readonly schema: RegisteredSchema }> {
    const answer = await this.ask('GET', `/subjects/${encodeURIComponent(subject)}/versions/latest`, null)
    if (answer === null) throw this.noSchema(subject, `Register one, or give the codec a schema: it registers it then.`)
    return { id: this.idIn(answer), schema: await this.resolved(answer) }
  }

  /** The id of a schema under this subject; registers it where allowed. */
  async idOf(subject: string, schema: NewSchema, mayRegister: boolean): Promise<number> {
    const path = `/subjects/${encodeURIComponent(subject)}${mayRegister ? '/versions' : ''}`
    const { type, references } = schema
    const body = {
      schema: schema.schema,
      ...(type === 'AVRO' ? {} : { schemaType: type }),
      ...(references.length === 0 ? {} : { references }),
    }
    const answer = await this.ask('POST', path, JSON.stringify(body), { subject })
    if (answer === null) throw this.noSchema(subject, `Register the schema, or let the codec do it: use: 'automatic'.`)
    return this.idIn(answer)
  }

  /** The schemas that references name, each before those that refer to it (of a circle one is the first). */
  async resolve(references: readonly SchemaReference[]): Promise<readonly ResolvedReference[]> {
    const found: ResolvedReference[] = []
    await this.collect(references, found, new Set())
    return found
  }

  private async resolved(answer: RegistryAnswer): Promise<RegisteredSchema> {
    const references = await this.resolve(answer.references)
    return { type: answer.schemaType, schema: this.schemaIn(answer), references }
  }

  private async collect(
    references: readonly SchemaReference[],
    found: ResolvedReference[],
    seen: Set<string>,
  ): Promise<void> {
    for (const { name, subject, version } of references) {
      if (seen.has(name)) continue
      if (seen.size >= MOST_REFERENCES) throw this.unreadable(`a schema refers to more than ${MOST_REFERENCES} others`)
      seen.add(name)
      const answer = await this.ask('GET', `/subjects/${encodeURIComponent(subject)}/versions/${version}`, null)
      if (answer === null)
        throw this.noSchema(`${subject}, version ${version}`, `A schema refers to it as '${name}': register it.`)
      await this.collect(answer.references, found, seen)
      found.push({ name, schema: this.schemaIn(answer) })
    }
  }

  /** Null: not found. */
  private async ask(
    method: HttpRequest['method'],
    path: string,
    body: string | null,
    { isMissingRetried = false, subject = '' } = {},
  ): Promise<RegistryAnswer | null> {
    const { retries, timeoutMs } = this.options
    let problem = ''
    for (let attempt = 0; attempt <= retries; attempt++) {
      if (attempt > 0) await pause(Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1)))
      const url = this.options.urls[this.next]!
      let response: HttpResponse
      try {
        response = await this.send({ method, url: url + path, body, timeoutMs })
      } catch (error) {
        problem = this.told(
          error instanceof Error ? error.message || String((error as NodeJS.ErrnoException).code) : String(error),
        )
        this.next = (this.next + 1) % this.options.urls.length
        continue
      }
      const { status } = response
      // A follower may not know yet what the leader has just registered.
      if (status === NOT_FOUND && isMissingRetried && attempt < retries) continue
      if (status === NOT_FOUND) return null
      if (status === 429 || status >= 500) {
        problem = `it answers ${status}: ${this.told(response.body)}`
        this.next = (this.next + 1) % this.options.urls.length
        continue
      }
      if (status >= 200 && status < 300) return this.read(response.body, path)
      throw this.refused(status, this.told(response.body), path, subject)
    }
    throw new TidemarkError(this.failure, `the schema registry at ${this.where} cannot be used: ${problem}`, {
      action:
        'Check its address, tls, and that it runs; the job goes on from its newest checkpoint when it is started again.',
    })
  }

  /** Not more than a few at a time; each has all its time. */
  private async send(request: Pick<HttpRequest, 'method' | 'url' | 'body' | 'timeoutMs'>): Promise<HttpResponse> {
    if (this.underWay >= MOST_REQUESTS) await new Promise<void>((resolve) => void this.waiting.push(resolve))
    else this.underWay++
    try {
      const { authorization, tls } = this.credentials
      return await httpRequest({ ...request, headers: { ...HEADERS, ...authorization }, tls })
    } finally {
      const next = this.waiting.shift()
      if (next === undefined) this.underWay--
      else next()
    }
  }

  private read(body: string, path: string): RegistryAnswer {
    try {
      return parseAnswer(body)
    } catch (error) {
      throw this.unreadable((error as Error).message, path)
    }
  }

  private idIn({ id }: RegistryAnswer): number {
    if (id === null) throw this.unreadable('its answer has no id')
    return id
  }

  private schemaIn({ schema }: RegistryAnswer): string {
    if (schema === null) throw this.unreadable('its answer has no schema')
    return schema
  }

  private unreadable(problem: string, path = ''): TidemarkError {
    return new TidemarkError(
      this.failure,
      `what answers at ${this.where}${path} is no schema registry, or a broken one: ${problem}`,
      { action: 'Check the url.' },
    )
  }

  /** What an answer says, without credentials: there are those that give back what they were sent. */
  private told(body: string): string {
    let text = body
    try {
      const { message } = JSON.parse(body) as { readonly message?: unknown }
      if (typeof message === 'string') text = message
    } catch {
      // Not JSON: what it says is shown as it is.
    }
    for (const hidden of this.credentials.hidden) text = text.replaceAll(hidden, '***')
    return text.length > LONGEST_REASON ? `${text.slice(0, LONGEST_REASON)}…` : text
  }

  private refused(status: number, message: string, path: string, subject: string): TidemarkError {
    if (status === 401 || status === 403) {
      return invalid(
        `the schema registry at ${this.where} refuses the credentials (${status})`,
        'Check auth and the secrets that it names.',
      )
    }
    if (status === 409) {
      return invalid(
        `the schema is not compatible with those of subject '${subject}': ${message}`,
        'Change the schema so that it is compatible, or the compatibility level of the subject.',
      )
    }
    return invalid(
      `the schema registry at ${this.where} refuses ${path} (${status}): ${message}`,
      'Correct the schema or the options of the codec.',
    )
  }

  private noSchema(subject: string, action: string): TidemarkError {
    return invalid(`the schema registry at ${this.where} has no schema for subject ${subject}`, action)
  }

  private get where(): string {
    return this.options.urls.join(', ')
  }
}
