import type { Codec, DecodeContext } from '@tidemark/kafka'
import { isTidemarkError, SECRET, type Secret, type TidemarkError } from 'tidemark/connector'

export const AT: DecodeContext = { topic: 'orders', part: 'value' }
const SECRETS: Readonly<Record<string, string>> = { PASSWORD: 'hush-hush', TOKEN: 'a.b.c' }
export const context = { secret: (name: string): string => SECRETS[name] ?? '' }
export const secret = (name: string): Secret => ({ [SECRET]: true, secret: name })

export const ORDER = {
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'shop', type: 'string' },
    { name: 'note', type: ['null', 'string'], default: null },
  ],
}

export async function write<T>(codec: Codec<T>, value: T, at = AT): Promise<Uint8Array> {
  const encoding = codec.createEncoding(context)
  await encoding.prepare?.(value, at)
  return encoding.encode(value, at)!
}

export async function read<T>(codec: Codec<T>, bytes: Uint8Array): Promise<T> {
  const decoding = codec.createDecoding(context)
  // As a record lies in a batch.
  const batch = new Uint8Array(bytes.length + 7).fill(0xee)
  batch.set(bytes, 3)
  const mine = batch.subarray(3, 3 + bytes.length)
  await decoding.prepare?.(mine, AT)
  const value = decoding.decode(mine, AT)
  batch.fill(0xdd)
  return value
}

export async function failureOf(action: () => unknown): Promise<TidemarkError> {
  try {
    await action()
  } catch (error) {
    if (isTidemarkError(error)) return error
    throw error
  }
  throw new Error('nothing failed')
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
export const spaceless = (text: string): string => text.replaceAll(' ', '')
