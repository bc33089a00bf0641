import { inspect } from 'node:util'
import fc from 'fast-check'
import { isTidemarkError, type Secret } from 'tidemark/connector'
import { describe, expect, it } from 'vitest'
import type { SchemaRegistryOptions } from './options.ts'
import { parseAnswer } from './registry-answer.ts'
import { schemaRegistry } from './schema-registry.ts'
import { answering } from './testing/answering-server.ts'
import { AT, context, failureOf, read, secret, write } from './testing/codec-kit.ts'
import { MemoryRegistry } from './testing/memory-registry.ts'

const RECORD = new Uint8Array([0, 0, 0, 0, 1, 2])
const secretly = (password: string) => ({ secret: () => password })

describe('what a registry answers is not believed:', () => {
  it.each<readonly [string, string]>([
    ['nothing', 'not JSON'],
    ['null', 'no object'],
    ['[]', 'no object'],
    ['"text"', 'no object'],
    ['{}', 'no schema'],
    ['{"schema":5}', 'no text'],
    ['{"schema":{"type":"int"}}', 'no text'],
    ['{"schema":"int","schemaType":5}', 'no text'],
    ['{"schema":"int","references":5}', 'no list'],
    ['{"schema":"int","references":[null]}', 'no name, subject and version'],
    ['{"schema":"int","references":[{"name":"a","subject":"b","version":"../../config"}]}', 'no name, subject'],
    ['{"schema":"int","references":[{"name":"a","subject":"b","version":-1}]}', 'no name, subject'],
  ])('%s in the place of a schema', async (body, problem) => {
    await using server = await answering((_, response) => response.end(body))
    const registry = schemaRegistry({ url: server.url, retries: 0 })
    const error = await failureOf(() => read(registry.avro(), RECORD))
    expect(error).toMatchObject({ code: 'SOURCE_FAILED', message: expect.stringContaining(problem) as string })
    expect(await failureOf(() => write(registry.avro({ use: { id: 1 } }), 5))).toMatchObject({ code: 'SINK_FAILED' })
  })

  it.each(['{}', '{"id":null}', '{"id":"1"}', '{"id":-1}', '{"id":1.5}', '{"id":4294967296}', '{"id":1e300}'])(
    '%s in the place of an id, which would be written into every record',
    async (body) => {
      await using server = await answering((_, response) => response.end(body))
      const registry = schemaRegistry({ url: server.url, retries: 0 })
      expect(await failureOf(() => write(registry.avro({ schema: 'int' }), 5))).toMatchObject({ code: 'SINK_FAILED' })
      expect(await failureOf(() => write(registry.avro(), 5))).toMatchObject({ code: 'SINK_FAILED' })
    },
  )

  it('any JSON at all', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (body) => {
        try {
          parseAnswer(body)
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
          expect(error).not.toBeInstanceOf(TypeError)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('more than anybody’s schema', async () => {
    await using server = await answering((_, response) => {
      response.on('error', () => undefined)
      const chunk = Buffer.alloc(1 << 20, ' ')
      const go = (): void => {
        while (!response.destroyed && response.write(chunk));
        response.once('drain', go)
      }
      go()
    })
    const error = await failureOf(() => read(schemaRegistry({ url: server.url, retries: 0 }).avro(), RECORD))
    expect(error.message).toContain('longer than 16777216 bytes')
  })

  it('half an answer, and one that does not end', async () => {
    await using server = await answering((request, response) => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('{"schema":')
      if (request.url === '/cut/schemas/ids/1') setImmediate(() => request.socket.destroy())
    })
    const reading = (path: string) => schemaRegistry({ url: server.url + path, retries: 0, timeout: '300ms' }).avro()
    expect(await failureOf(() => read(reading('/cut'), RECORD))).toMatchObject({ code: 'SOURCE_FAILED' })
    expect((await failureOf(() => read(reading('/slow'), RECORD))).message).toContain('no answer within 300 ms')
  })

  it('references in a circle, and those that never end', async () => {
    let requests = 0
    await using server = await answering((request, response) => {
      requests++
      const path = request.url!
      const next = path.includes('endless') ? `endless-${requests}` : path.includes('round-a') ? 'round-b' : 'round-a'
      const schema = path.startsWith('/schemas') ? '"int"' : JSON.stringify({ type: 'enum', name: 'E', symbols: ['A'] })
      const first = path === '/schemas/ids/1' ? 'round-a' : path === '/schemas/ids/2' ? 'endless' : next
      response.end(JSON.stringify({ schema, references: [{ name: first, subject: first, version: 1 }] }))
    })
    const registry = schemaRegistry({ url: server.url, retries: 0 })
    // Both define the same name: what is wrong with them is found when they are compiled.
    expect(await failureOf(() => read(registry.avro(), RECORD))).toMatchObject({ code: 'CORRUPT_DATA' })
    expect(requests).toBe(3)
    const endless = await failureOf(() => read(registry.avro(), new Uint8Array([0, 0, 0, 0, 2, 2])))
    expect(endless.message).toContain('more than 1000 others')
  })

  it('an answer that sends on to another host is not followed, and credentials stay', async () => {
    const seen: (string | undefined)[] = []
    await using other = await answering((request, response) => {
      seen.push(request.headers.authorization)
      response.end('{"schema":"int"}')
    })
    for (const status of [301, 302, 303, 307, 308]) {
      await using server = await answering((_, response) =>
        response.writeHead(status, { location: `${other.url}/schemas/ids/1` }).end(),
      )
      const registry = schemaRegistry({ url: server.url, retries: 0, auth: { token: secret('TOKEN') } })
      expect((await failureOf(() => read(registry.avro(), RECORD))).message).toContain(`(${status})`)
    }
    expect(seen).toEqual([])
  })

  it('as many ids as somebody has made up are not asked for on as many connections', async () => {
    let open = 0
    let most = 0
    await using server = await answering((_, response) => {
      most = Math.max(most, ++open)
      setImmediate(() => {
        open--
        response.writeHead(404).end('{}')
      })
    })
    const decoding = schemaRegistry({ url: server.url, retries: 0 }).avro().createDecoding(context)
    const records = Array.from({ length: 1_200 }, (_, id) => new Uint8Array([0, 0, 0, id >> 8, id & 0xff, 2]))
    await Promise.all(records.map(async (record) => decoding.prepare!(record, AT)))
    expect(most).toBeLessThanOrEqual(16)
    for (const record of records) expect(() => decoding.decode(record, AT)).toThrow(/schema \d+ (is not known|cannot)/)
  })
})

describe('credentials for a registry', () => {
  it('are not in what is told, also where a registry gives back what it was sent', async () => {
    await using server = await answering((request, response) => {
      const echo = `you said ${request.headers.authorization}, that is hush-hush`
      response.writeHead(400).end(request.url!.includes('json') ? JSON.stringify({ message: echo }) : echo)
    })
    const encoded = Buffer.from('me:hush-hush').toString('base64')
    for (const auth of [{ username: 'me', password: secret('PASSWORD') }, { token: secret('TOKEN') }]) {
      for (const subject of ['json', 'text']) {
        const registry = schemaRegistry({ url: server.url, retries: 0, auth })
        const codec = registry.avro({ schema: 'int', subject: () => subject })
        const error = await failureOf(() => write(codec, 1))
        const shown = inspect(error, { depth: 20, showHidden: true })
        expect(shown).toContain('***')
        expect(shown).not.toContain(encoded)
        expect(shown).not.toContain('a.b.c')
        if ('password' in auth) expect(shown).not.toContain('hush')
        expect(inspect([registry, codec], { depth: 20, showHidden: true })).not.toMatch(/hush|a\.b\.c/)
      }
    }
  })

  it('are refused where no header holds them, before anything is sent', async () => {
    await using server = await MemoryRegistry.start()
    const make = (auth: SchemaRegistryOptions['auth']) => schemaRegistry({ url: server.url, auth: auth! }).avro()
    const bearer = make({ token: secret('TOKEN') })
    const basic = make({ username: secret('USER'), password: secret('PASSWORD') })
    for (const [codec, value] of [
      [bearer, 'ends with a line\n'],
      [bearer, ''],
      [basic, 'a:b'],
    ] as const) {
      const error = await failureOf(() => codec.createDecoding(secretly(value)))
      expect(error.code).toBe('INVALID_OPTION')
      if (value !== '') expect(inspect(error)).not.toContain(value)
    }
    expect(server.requests).toEqual([])
  })

  it('are in no error about an address', async () => {
    for (const url of ['http://me:hush@bad host', 'http://me:hush@127.0.0.1:99999', 'http://127.0.0.1/?token=hush']) {
      const error = await failureOf(() => schemaRegistry({ url }))
      expect(error.code).toBe('INVALID_OPTION')
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('hush')
    }
  })

  it.each<readonly [string, object]>([
    ['an option of TLS that is not known', { tls: { rejectUnauthorized: false } }],
    ['a certificate without key', { tls: { cert: 'x' } }],
    ['TLS where the address has none', { url: 'http://127.0.0.1:1', tls: { ca: 'x' } }],
    ['a user that is none', { auth: { username: 5, password: secret('PASSWORD') } }],
    ['no user', { auth: { password: secret('PASSWORD') } }],
    ['a token in the open', { auth: { token: 'a.b.c' as unknown as Secret } }],
  ])('cannot be %s', async (_, options) => {
    const error = await failureOf(() => schemaRegistry({ url: 'https://127.0.0.1:1', ...options }))
    expect(error.code).toBe('INVALID_OPTION')
    expect(isTidemarkError(error) && error.action).toBeTruthy()
  })

  it.each([-1, 1.5, 2 ** 32, '../../config', null])('refuses %j for an id to write with', async (id) => {
    const registry = schemaRegistry({ url: 'http://127.0.0.1:1' })
    const error = await failureOf(() => registry.avro({ use: { id: id as number } }))
    expect(error.code).toBe('INVALID_OPTION')
  })
})
