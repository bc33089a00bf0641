/**
 * Orders → revenue per shop, Kafka to Kafka, exactly once.
 *
 *     npx tidemark run examples/revenue/revenue.ts --set brokers=localhost:9092
 *
 * `npm run example:revenue` starts a broker, feeds it, kills the job again and again, and shows that the result is exact.
 */
import { kafka } from '@tidemark/kafka'
import { defineJob } from 'tidemark'
import { z } from 'zod'

const Order = z.object({ id: z.string(), shop: z.string(), amount: z.number().int().positive() })

export default defineJob({
  name: 'revenue',
  params: z.object({ brokers: z.string() }),
  build(job, { brokers }) {
    const cluster = kafka({ brokers })
    const orders = job.source(
      'orders',
      cluster.topic('orders', { value: Order, onBadRecord: cluster.sink('orders.bad') }),
    )
    const revenue = orders.keyBy('shop').scan(
      'revenue',
      () => ({ orders: 0, total: 0 }),
      (so, { amount }) => ({ orders: so.orders + 1, total: so.total + amount }),
    )
    revenue.to(
      'totals',
      cluster.sink('revenue', { key: ([shop]) => shop, value: ([shop, totals]) => ({ shop, ...totals }) }),
    )
    return { orders, revenue }
  },
})
