import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { TLSSocketOptions } from 'node:tls'

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  readonly timeoutMs: number
  readonly tls: Pick<TLSSocketOptions, 'ca' | 'cert' | 'key'> | null
}

export interface HttpResponse {
  readonly status: number
  readonly body: string
}

const MOST_BYTES = 16 * 1024 * 1024

/** One request, without retries; where it is sent on to is not followed. Not `fetch`, which can be given neither an authority nor a client certificate. */
export function httpRequest({ method, url, headers, body, timeoutMs, tls }: HttpRequest): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? requestHttps : requestHttp
    const signal = AbortSignal.timeout(timeoutMs)
    // Said, so that no variable of the environment switches it off.
    const options = { method, headers, signal, ...tls, rejectUnauthorized: true }
    const sent = send(url, options, (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > MOST_BYTES) response.destroy(new Error(`the answer is longer than ${MOST_BYTES} bytes`))
        else chunks.push(chunk)
      })
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      )
      response.on('error', reject)
    })
    sent.on('error', (error) => reject(signal.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error))
    sent.end(body)
  })
}
