import { readFileSync } from 'node:fs'
import type { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { RegistryTls } from './options.ts'
import { schemaRegistry } from './schema-registry.ts'
import { answering } from './testing/answering-server.ts'
import { failureOf, secret } from './testing/codec-kit.ts'

const RECORD = new Uint8Array([0, 0, 0, 0, 1, 4])
const pem = (name: string) => readFileSync(new URL(`../../../test/tls/${name}.pem`, import.meta.url), 'utf8')
const served = (name: string) => ({ cert: pem(name), key: pem(`${name}.key`) })
const context = { secret: (name: string) => (name === 'KEY' ? pem('client.key') : '') }

async function readThrough(url: string, tls: RegistryTls): Promise<unknown> {
  const decoding = schemaRegistry({ url, tls, retries: 0 }).avro().createDecoding(context)
  await decoding.prepare!(RECORD, { topic: 'orders', part: 'value' })
  return decoding.decode(RECORD, { topic: 'orders', part: 'value' })
}

const answer = (_: unknown, response: { end(body: string): unknown }) => void response.end('{"schema":"int"}')

afterEach(() => void vi.unstubAllEnvs())

describe('a registry behind TLS', () => {
  const ca = pem('authority')

  it('is believed when its certificate is signed by the authority and names its host', async () => {
    await using server = await answering(answer, served('server'))
    expect(await readThrough(server.url, { ca })).toBe(2)
    expect(await readThrough(server.url.replace('127.0.0.1', 'localhost'), { ca })).toBe(2)
  })

  it.each([
    ['another host', 'elsewhere', { ca }, /does not match certificate's altnames/],
    ['an expired certificate', 'expired', { ca }, /certificate has expired/],
    ['an authority that is not known', 'server', {}, /unable to verify the first certificate/],
  ] as const)('is not believed with %s, whatever the environment says', async (_, name, tls, message) => {
    await using server = await answering(answer, served(name))
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    const error = await failureOf(() => readThrough(server.url, tls))
    expect(error).toMatchObject({ code: 'SOURCE_FAILED', message: expect.stringMatching(message) as string })
  })

  it('sees our certificate where it asks for one', async () => {
    const seen: string[] = []
    const asking = { ...served('server'), ca, requestCert: true, rejectUnauthorized: true }
    await using server = await answering((request, response) => {
      seen.push(String((request.socket as TLSSocket).getPeerCertificate().subject.CN))
      answer(request, response)
    }, asking)
    expect(await readThrough(server.url, { ca, cert: pem('client'), key: secret('KEY') })).toBe(2)
    expect(seen).toEqual(['client'])
    expect(await failureOf(() => readThrough(server.url, { ca }))).toMatchObject({ code: 'SOURCE_FAILED' })
    // A later client without a certificate does not get the connection of the one before.
    expect(seen).toEqual(['client'])
  })

  it('says so when a certificate is no PEM text', async () => {
    const error = await failureOf(() => readThrough('https://127.0.0.1:1', { ca: '/etc/ca.pem' }))
    expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('tls.ca') as string })
  })
})
