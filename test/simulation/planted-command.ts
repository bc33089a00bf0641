import { parseArgs } from 'node:util'
import { catchBug } from './plant.ts'
import { PLANTED_BUGS } from './planted-bugs.ts'

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '12000' }, only: { type: 'string', default: '' } },
})

let missed = 0
for (const bug of PLANTED_BUGS.filter(({ name }) => name.includes(values.only))) {
  const caught = await catchBug(bug, Number(values.seeds))
  if (caught === null) {
    missed++
    console.log(`NOT CAUGHT in ${values.seeds} seeds: ${bug.name}`)
  } else {
    console.log(
      `${String(caught.seeds).padStart(5)} seeds: ${bug.name} → ${caught.promise} (${caught.job}, seed ${caught.seed})`,
    )
  }
}
process.exitCode = missed > 0 ? 1 : 0
