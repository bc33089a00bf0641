/** Ten records, checked by a schema, counted by key: what a start costs. */
import { defineJob, forEachSink, fromArray } from 'tidemark'
import { z } from 'zod'

const Reading = z.object({ sensor: z.string(), celsius: z.number() })

export default defineJob('tiny', (job) => {
  const readings = Array.from({ length: 10 }, (_, index) => ({ sensor: `sensor-${index % 3}`, celsius: index }))
  job
    .source('readings', fromArray(readings))
    .map((reading) => Reading.parse(reading))
    .keyBy((reading) => reading.sensor)
    .runningCount('counts')
    .to(
      'nowhere',
      forEachSink(() => {}),
    )
})
