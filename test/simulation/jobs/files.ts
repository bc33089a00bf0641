import { defineJob, fromArray, fromIterable, generate, lines, textLines } from 'tidemark'
import { checkOutput, checkSoFar, outputFiles, runningCountProblem, type SimulatedJob } from './kit.ts'

const WORDS = ['tide', 'mark', 'sea', 'überflut', 'ebb', '🌊']

/** The connectors that users have: word count over files, an array, an iterable and a generator, into files. */
export const files: SimulatedJob = {
  name: 'files',
  create(world) {
    const { random } = world
    const text = (): string[] =>
      Array.from({ length: random.integer(0, 12) }, () =>
        Array.from({ length: random.integer(0, 3) }, () => random.pick(WORDS)).join(' '),
      )
    const documents = Array.from({ length: random.integer(1, 3) }, text)
    documents[0]!.push('tide')
    for (const [index, document] of documents.entries())
      world.machine.disk.put(`/input/${index}.txt`, document.map((line) => `${line}\n`).join(''))
    const array = text()
    const iterable = text().map((line, position) => ({ line, position }))
    const generated = random.integer(0, 20)
    const output = outputFiles(world, '/output/words')
    const definition = defineJob('files', (job) => {
      const read = job.source('read', lines('/input/*.txt', { splitSize: random.pick([5, 30, 10_000]) }))
      const listed = job.source('listed', fromArray(array))
      const iterated = job.source(
        'iterated',
        fromIterable<{ line: string; position: number }, number>(
          async function* (after) {
            for (const record of iterable) {
              if (after !== undefined && record.position <= after) continue
              await world.outside('iterating', () => undefined)
              yield record
            }
          },
          { position: ({ position }) => position, capacity: 3 },
        ),
      )
      const made = job.source('made', generate({ create: (index) => WORDS[index % 3]!, count: generated, rate: 2000 }))
      read
        .union(
          listed,
          iterated.map(({ line }) => line),
          made,
        )
        .flatMap((line) => line.split(' ').filter((word) => word !== ''))
        .keyBy((word) => word)
        .runningCount('count')
        .map(([word, count]) => `${word} ${count}`)
        .to('words', textLines(output.directory, { bufferSize: 64 }))
    })
    const totals = new Map<string, number>()
    const count = (line: string): void => {
      for (const word of line.split(' ').filter((one) => one !== '')) totals.set(word, (totals.get(word) ?? 0) + 1)
    }
    for (const line of [...documents.flat(), ...array, ...iterable.map((record) => record.line)]) count(line)
    for (let index = 0; index < generated; index++) count(WORDS[index % 3]!)
    const expected = [...totals].flatMap(([word, total]) =>
      Array.from({ length: total }, (_, index) => `${word} ${index + 1}`),
    )
    const counts = () => output.lines().map((line) => [line.split(' ')[0]!, Number(line.split(' ')[1])] as const)
    return {
      definition,
      checkAtRest: () => checkSoFar(world, output.lines(), expected),
      checkAtEnd(isTidy) {
        checkOutput(world, output.lines(), expected)
        world.expectNone('state exactly once', runningCountProblem(counts(), totals, world.mode))
        output.checkResidue(isTidy)
      },
    }
  },
}
