import type * as Crypto from 'node:crypto'

/** Node's cryptography, loaded when it is first asked for: that takes each thread 4 ms and more, and a worker hardly ever needs it. */
export function nodeCrypto(): typeof Crypto {
  return process.getBuiltinModule('node:crypto')
}
