import { createWriteStream } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { once } from 'node:events'
import { ROOT } from './root.ts'
import { seeded } from './words-file.ts'

const CUSTOMERS = 1000
const CITIES = ['Aachen', 'Bergen', 'Cádiz', 'Delft', 'Espoo', 'Firenze', 'Gdańsk', 'Hobart']
const CHANNELS = ['web', 'shop', 'phone', 'partner']
const TAGS = ['gift', 'fragile', 'express', 'return', 'sample', 'bulk']
const LINES_PER_WRITE = 10_000

/** Makes orders as a shop would log them: always the same sequence. */
type MakeOrder = (index: number) => object

/**
 * A file of orders as lines of JSON, some 900 bytes each: 30 fields with texts, whole numbers, fractions, flags, values that may be null, nested objects, lists of texts and of objects, of which each
 * differs from record to record. Kept in node_modules/.cache; its path.
 */
export async function ordersFile(records: number): Promise<string> {
  const directory = join(ROOT, 'node_modules/.cache/bench')
  const path = join(directory, `orders-${records}.jsonl`)
  if (existsSync(path)) return path
  await mkdir(directory, { recursive: true })
  const aside = `${path}.tmp`
  const makeOrder = orders(seeded(7))
  const file = createWriteStream(aside)
  for (let made = 0; made < records;) {
    const count = Math.min(LINES_PER_WRITE, records - made)
    const lines = Array.from({ length: count }, (_, index) => `${JSON.stringify(makeOrder(made + index))}\n`)
    made += count
    if (!file.write(lines.join(''))) await once(file, 'drain')
  }
  file.end()
  await once(file, 'close')
  await rename(aside, path)
  return path
}

function orders(random: () => number): MakeOrder {
  const whole = (below: number) => Math.floor(random() * below)
  const pick = <T>(from: readonly T[]): T => from[whole(from.length)]!
  const many = <T>(below: number, make: () => T): T[] => Array.from({ length: whole(below) }, make)
  const maybe = <T>(value: T): T | null => (random() < 0.3 ? null : value)
  const price = () => whole(20_000) / 100
  const text = (length: number) => Array.from({ length }, () => whole(36).toString(36)).join('')
  const address = () => ({
    street: `${text(9)} street ${whole(200)}`,
    city: pick(CITIES),
    zip: String(10_000 + whole(90_000)),
    geo: { latitude: random() * 180 - 90, longitude: random() * 360 - 180 },
  })
  const item = () => ({
    sku: `sku-${whole(5000)}`,
    quantity: 1 + whole(5),
    price: price(),
    tags: many(3, () => pick(TAGS)),
  })
  return (index) => ({
    customer: `customer-${whole(CUSTOMERS)}`,
    order: index,
    id: `${text(8)}-${text(4)}-${text(12)}`,
    placedAt: 1_700_000_000_000 + index * 37,
    channel: pick(CHANNELS),
    currency: 'EUR',
    total: price(),
    tax: price() / 5,
    discount: maybe(price() / 10),
    coupon: maybe(text(6)),
    isGift: random() < 0.1,
    isPaid: random() < 0.9,
    priority: whole(4),
    weight: whole(10_000) / 1000,
    shipTo: address(),
    billTo: maybe(address()),
    items: many(5, item),
    tags: many(4, () => pick(TAGS)),
    note: maybe(`note ${text(20)}`),
    agent: maybe(whole(100)),
    warehouse: `warehouse-${whole(12)}`,
    attempts: whole(3),
    session: text(16),
    referrer: maybe(`https://example.com/${text(10)}`),
    device: { kind: pick(['phone', 'desktop', 'tablet']), version: whole(30) },
    locale: pick(['en', 'de', 'fr', 'pl']),
    loyalty: whole(100_000),
    score: random(),
    parcels: many(3, () => text(12)),
    updatedAt: 1_700_000_000_000 + index * 37 + whole(10_000),
  })
}
