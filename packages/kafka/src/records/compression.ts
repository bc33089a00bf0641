import { constants, gunzipSync, gzipSync } from 'node:zlib'
import * as zlib from 'node:zlib'
import { kafkaError } from '../client/kafka-error.ts'
import type { Compression } from './contract.ts'
import { compressLz4Frame } from './lz4-encoder.ts'
import { decompressLz4Frame } from './lz4.ts'
import { compressSnappy } from './snappy-encoder.ts'
import { decompressSnappy } from './snappy.ts'

/** By the number that batches name them with. */
const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
/** What a batch may become: a bound for those that claim more than anybody writes. */
const MAX_BYTES = 1 << 30

/** Node has it from 22.15 and 23.8 on; the types are of the oldest Node that is supported. */
const zstd = zlib as {
  readonly zstdCompressSync?: (bytes: Uint8Array) => Buffer
  readonly zstdDecompressSync?: (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Buffer
}

export function compressionNumber(compression: Compression): number {
  return COMPRESSIONS.indexOf(compression)
}

export function compressionOf(number: number): Compression | undefined {
  return COMPRESSIONS[number]
}

/** Whether this Node has it. */
export function isAvailable(compression: Compression): boolean {
  return compression !== 'zstd' || zstd.zstdDecompressSync !== undefined
}

/** Fails where this Node cannot do it: asked before the first record. */
export function checkCompression(compression: Compression): void {
  if (isAvailable(compression)) return
  throw kafkaError(
    'UNSUPPORTED_COMPRESSION_TYPE',
    `records compressed with zstd need Node 22.15 or newer, and this is Node ${process.versions.node}. Update Node, or have the topic written with lz4, snappy or gzip`,
  )
}

export function compress(compression: Exclude<Compression, 'none'>, bytes: Buffer): Uint8Array {
  switch (compression) {
    case 'gzip':
      // As Kafka's own producer: speed before size, level 6.
      return gzipSync(bytes, { level: constants.Z_DEFAULT_COMPRESSION })
    case 'snappy':
      return compressSnappy(bytes)
    case 'lz4':
      return compressLz4Frame(bytes)
    case 'zstd':
      checkCompression('zstd')
      return zstd.zstdCompressSync!(bytes)
  }
}

/** Throws a RangeError or an error of zlib for bytes that are not what they should be. */
export function decompress(compression: Exclude<Compression, 'none'>, bytes: Buffer): Buffer {
  switch (compression) {
    case 'gzip':
      return gunzipSync(bytes, { maxOutputLength: MAX_BYTES })
    case 'snappy':
      return decompressSnappy(bytes, MAX_BYTES)
    case 'lz4':
      return decompressLz4Frame(bytes, MAX_BYTES)
    case 'zstd':
      checkCompression('zstd')
      return zstd.zstdDecompressSync!(bytes, { maxOutputLength: MAX_BYTES })
  }
}
