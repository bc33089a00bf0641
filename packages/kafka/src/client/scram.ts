import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512'

const HASHES = {
  'SCRAM-SHA-256': { name: 'sha256', bytes: 32 },
  'SCRAM-SHA-512': { name: 'sha512', bytes: 64 },
} as const
/** RFC 7677 asks for at least as many, and so do Kafka's clients. */
const MIN_ITERATIONS = 4096
/** More would be a server that keeps us busy; Kafka allows 16,384. */
const MAX_ITERATIONS = 1_000_000
/** No channel binding, no other identity. */
const GS2_HEADER = 'n,,'
const derive = promisify(pbkdf2)

/**
 * A login by SCRAM (RFC 5802, RFC 7677): the password is never sent, and the server has to prove that it knows it, too. Like Kafka's brokers it takes names and passwords as they are,
 * without SASLprep. Errors say what is wrong with a message of the server, and nothing of the password.
 */
export class ScramLogin {
  readonly firstMessage: string
  private readonly mechanism: ScramMechanism
  private readonly password: string
  private readonly nonce: string
  private readonly bareFirstMessage: string
  private serverSignature: Buffer | null = null

  /** `nonce`: printable ASCII without commas that was never used before. */
  constructor(mechanism: ScramMechanism, username: string, password: string, nonce: string) {
    this.mechanism = mechanism
    this.password = password
    this.nonce = nonce
    this.bareFirstMessage = `n=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`
    this.firstMessage = GS2_HEADER + this.bareFirstMessage
  }

  /** The answer to the server's first message. */
  async finalMessage(serverFirst: string): Promise<string> {
    const { nonce, salt, iterations } = this.challenge(serverFirst)
    const { name, bytes } = HASHES[this.mechanism]
    const hmac = (key: Buffer, text: string) => createHmac(name, key).update(text).digest()
    const salted = await derive(this.password, salt, iterations, bytes, name)
    const withoutProof = `c=${Buffer.from(GS2_HEADER).toString('base64')},r=${nonce}`
    const everything = `${this.bareFirstMessage},${serverFirst},${withoutProof}`
    const clientKey = hmac(salted, 'Client Key')
    const clientSignature = hmac(createHash(name).update(clientKey).digest(), everything)
    this.serverSignature = hmac(hmac(salted, 'Server Key'), everything)
    const proof = clientKey.map((byte, index) => byte ^ clientSignature[index]!)
    return `${withoutProof},p=${Buffer.from(proof).toString('base64')}`
  }

  /** Fails unless the server's final message proves that it knows the password. */
  verify(serverFinal: string): void {
    const [first = ''] = serverFinal.split(',')
    if (first.startsWith('e=')) throw new Error(`the broker says ${first.slice(2)}`)
    const signature = Buffer.from(first.startsWith('v=') ? first.slice(2) : '', 'base64')
    const expected = this.serverSignature
    if (expected === null || signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
      throw new Error('the broker does not prove that it knows the password')
    }
  }

  private challenge(serverFirst: string): {
    readonly nonce: string
    readonly salt: Buffer
    readonly iterations: number
  } {
    // Extensions may follow; one that must be understood would come first.
    const [nonce = '', salt = '', count = ''] = serverFirst.split(',')
    if (!nonce.startsWith('r=') || !/^s=[A-Za-z0-9+/]+=*$/.test(salt) || !/^i=[1-9][0-9]*$/.test(count)) {
      throw new Error('what the broker sent is no message of SCRAM')
    }
    if (!nonce.startsWith(`r=${this.nonce}`) || nonce.length === this.nonce.length + 2) {
      throw new Error('the answer of the broker is to another login')
    }
    const iterations = Number(count.slice(2))
    if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) {
      throw new Error(
        `the broker asks for ${iterations} iterations of SCRAM, not for ${MIN_ITERATIONS} to ${MAX_ITERATIONS}`,
      )
    }
    return { nonce: nonce.slice(2), salt: Buffer.from(salt.slice(2), 'base64'), iterations }
  }
}
