import { setTimeout as pause } from 'node:timers/promises'
import { type ErrorCode, type Secret, TidemarkError } from 'tidemark/connector'
import { httpRequest, type HttpRequest, type HttpResponse } from './http-request.ts'
import { type CheckedOptions, invalid, isSecret, type SchemaReference } from './options.ts'

export type SchemaType = 'AVRO' | 'JSON' | 'PROTOBUF'

/** A schema as the registry holds it, with all that it refers to, each before those that refer to it. */
export interface RegisteredSchema {
  readonly type: SchemaType
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

interface Answer {
  readonly id?: number
  readonly schema?: string
  readonly schemaType?: SchemaType
  readonly references?: readonly SchemaReference[]
  readonly error_code?: number
  readonly message?: string
}

const FIRST_PAUSE_MS = 200
const LAST_PAUSE_MS = 5_000
const NOT_FOUND = 404

/** Talks to the registry: bounded retries, credentials that are never part of a message. */
export class RegistryClient {
  private readonly options: CheckedOptions
  private readonly headers: Readonly<Record<string, string>>
  private readonly tls: HttpRequest['tls']
  /** Of errors that may pass: whom they concern. */
  private readonly failure: Extract<ErrorCode, 'SOURCE_FAILED' | 'SINK_FAILED'>
  private next = 0

  constructor(options: CheckedOptions, secret: (name: string) => string, failure: RegistryClient['failure']) {
    const value = (given: string | Secret): string => (isSecret(given) ? secret(given.secret) : given)
    this.options = options
    this.failure = failure
    this.headers = {
      accept: 'application/vnd.schemaregistry.v1+json',
      'content-type': 'application/vnd.schemaregistry.v1+json',
      ...authorization(options.auth, value),
    }
    const { tls } = options
    this.tls =
      tls === null
        ? null
        : {
            ...(tls.ca === undefined ? {} : { ca: value(tls.ca) }),
            ...(tls.cert === undefined ? {} : { cert: value(tls.cert) }),
            ...(tls.key === undefined ? {} : { key: value(tls.key) }),
          }
  }

  /** Null: the registry does not know the id, also when asked again. */
  async schemaById(id: number): Promise<RegisteredSchema | null> {
    const answer = await this.ask('GET', `/schemas/ids/${id}`, null, { isMissingRetried: true })
    return answer === null ? null : this.resolved(answer)
  }

  async latest(subject: string): Promise<{ readonly id: number; readonly schema: RegisteredSchema }> {
    const answer = await this.ask('GET', `/subjects/${encodeURIComponent(subject)}/versions/latest`, null)
    if (answer === null) throw this.noSchema(subject, `Register one, or give the codec a schema: it registers it then.`)
    return { id: answer.id!, schema: await this.resolved(answer) }
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
    return answer.id!
  }

  /** The schemas that references name, each before those that refer to it. */
  async resolve(references: readonly SchemaReference[]): Promise<readonly ResolvedReference[]> {
    const found = new Map<string, ResolvedReference>()
    await this.collect(references, found)
    return [...found.values()]
  }

  private async resolved(answer: Answer): Promise<RegisteredSchema> {
    const references = await this.resolve(answer.references ?? [])
    return { type: answer.schemaType ?? 'AVRO', schema: answer.schema!, references }
  }

  private async collect(references: readonly SchemaReference[], found: Map<string, ResolvedReference>): Promise<void> {
    for (const { name, subject, version } of references) {
      if (found.has(name)) continue
      const answer = await this.ask('GET', `/subjects/${encodeURIComponent(subject)}/versions/${version}`, null)
      if (answer === null)
        throw this.noSchema(`${subject}, version ${version}`, `A schema refers to it as '${name}': register it.`)
      await this.collect(answer.references ?? [], found)
      found.set(name, { name, schema: answer.schema! })
    }
  }

  /** Null: not found. */
  private async ask(
    method: HttpRequest['method'],
    path: string,
    body: string | null,
    { isMissingRetried = false, subject = '' } = {},
  ): Promise<Answer | null> {
    const { retries, timeoutMs } = this.options
    let problem = ''
    for (let attempt = 0; attempt <= retries; attempt++) {
      if (attempt > 0) await pause(Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1)))
      const url = this.options.urls[this.next]!
      let response: HttpResponse
      try {
        response = await httpRequest({ method, url: url + path, headers: this.headers, body, timeoutMs, tls: this.tls })
      } catch (error) {
        problem =
          error instanceof Error ? error.message || String((error as NodeJS.ErrnoException).code) : String(error)
        this.next = (this.next + 1) % this.options.urls.length
        continue
      }
      const { status } = response
      // A follower may not know yet what the leader has just registered.
      if (status === NOT_FOUND && isMissingRetried && attempt < retries) continue
      if (status === NOT_FOUND) return null
      if (status === 429 || status >= 500) {
        problem = `it answers ${status}: ${told(response.body)}`
        this.next = (this.next + 1) % this.options.urls.length
        continue
      }
      if (status >= 200 && status < 300) return this.read(response.body, path)
      throw this.refused(status, told(response.body), path, subject)
    }
    throw new TidemarkError(this.failure, `the schema registry at ${this.where} cannot be used: ${problem}`, {
      action:
        'Check its address and that it runs; the job goes on from its newest checkpoint when it is started again.',
    })
  }

  private read(body: string, path: string): Answer {
    let answer: unknown
    try {
      answer = JSON.parse(body)
    } catch (cause) {
      throw new TidemarkError(
        this.failure,
        `what answers at ${this.where}${path} is no schema registry: its answer is not JSON`,
        {
          action: 'Check the url.',
          cause,
        },
      )
    }
    return answer as Answer
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

function authorization(
  auth: CheckedOptions['auth'],
  value: (given: string | Secret) => string,
): Readonly<Record<string, string>> {
  if (auth === null) return {}
  if ('token' in auth) return { authorization: `Bearer ${value(auth.token)}` }
  const credentials = `${value(auth.username)}:${value(auth.password)}`
  return { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
}

function told(body: string): string {
  try {
    const { message } = JSON.parse(body) as Answer
    if (typeof message === 'string') return message
  } catch {
    // Not JSON: what it says is shown as it is.
  }
  return body.length > 200 ? `${body.slice(0, 200)}…` : body
}
