import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, test } from 'vitest'

const GUIDES = ['writing-jobs.md', 'testing.md', 'kafka.md', 'schema-registry.md', 'connectors.md']

const examples = GUIDES.flatMap((guide) => {
  const path = fileURLToPath(new URL(`../../../../docs/guide/${guide}`, import.meta.url))
  const text = ts.sys.readFile(path) ?? ''
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((match, index) => ({
    guide,
    line: text.slice(0, match.index).split('\n').length,
    file: path.replace(/\.md$/, `.${index}.ts`),
    code: match[1] ?? '',
  }))
})
const problems = compile(new Map(examples.map(({ file, code }) => [file, code])))

test.each(GUIDES)('%s has examples', (guide) => {
  expect(examples.filter((example) => example.guide === guide).length).toBeGreaterThan(1)
})

test.each(examples)('the example of $guide at line $line compiles', ({ file }) => {
  expect(problems.get(file)).toEqual([])
})

/** The compiler's messages for files that exist in memory only. */
function compile(files: ReadonlyMap<string, string>): ReadonlyMap<string, readonly string[]> {
  const root = fileURLToPath(new URL('../../../../', import.meta.url))
  const config = ts.readConfigFile(`${root}tsconfig.base.json`, (file) => ts.sys.readFile(file))
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root)
  options.noEmit = true
  options.customConditions = ['@tidemark/source']
  const host = ts.createCompilerHost(options)
  const disk = { getSourceFile: host.getSourceFile.bind(host), fileExists: host.fileExists.bind(host) }
  host.fileExists = (name) => files.has(name) || disk.fileExists(name)
  host.getSourceFile = (name, languageVersion) => {
    const code = files.get(name)
    return code === undefined
      ? disk.getSourceFile(name, languageVersion)
      : ts.createSourceFile(name, code, languageVersion)
  }
  const program = ts.createProgram([...files.keys()], options, host)
  const messagesOf = (file: string) =>
    [
      ...program.getSyntacticDiagnostics(program.getSourceFile(file)),
      ...program.getSemanticDiagnostics(program.getSourceFile(file)),
    ].map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
  return new Map([...files.keys()].map((file) => [file, messagesOf(file)]))
}
