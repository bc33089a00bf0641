import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

const PLANTED = fileURLToPath(new URL('mistakes.test-d.ts', import.meta.url))
const DIRECTIVE = /\/\/ @ts-expect-error says: (.*)$/

interface Mistake {
  readonly line: number
  readonly code: string
  readonly expected: string
}

const mistakes = readMistakes()
const messages = compileWithoutDirectives()

describe('a mistake in a job does not compile, and the message says what to do:', () => {
  test.each(mistakes)('line $line: $code', ({ line, expected }) => {
    expect(messages.get(line) ?? 'compiles').toContain(expected)
  })

  test('nothing else in the file is an error', () => {
    expect([...messages.keys()].filter((line) => !mistakes.some((mistake) => mistake.line === line))).toEqual([])
  })

  test('the mistakes are there', () => {
    expect(mistakes.length).toBeGreaterThan(35)
  })
})

/** Lines count from 1, as editors count them. */
function readMistakes(): readonly Mistake[] {
  const lines = (ts.sys.readFile(PLANTED) ?? '').split('\n')
  return lines.flatMap((text, index) => {
    const expected = DIRECTIVE.exec(text)?.[1]
    return expected === undefined ? [] : [{ line: index + 2, code: (lines[index + 1] ?? '').trim(), expected }]
  })
}

/** The compiler's messages by line. */
function compileWithoutDirectives(): ReadonlyMap<number, string> {
  const config = ts.readConfigFile(fileURLToPath(new URL('../../../../tsconfig.base.json', import.meta.url)), (file) =>
    ts.sys.readFile(file),
  )
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, fileURLToPath(new URL('.', import.meta.url)))
  options.noEmit = true
  options.noUnusedParameters = false
  const host = ts.createCompilerHost(options)
  const readFile = host.readFile.bind(host)
  host.getSourceFile = (name, languageVersion) => {
    const text = readFile(name)
    if (text === undefined) return undefined
    return ts.createSourceFile(
      name,
      name === PLANTED ? text.replaceAll('@ts-expect-error', 'Expected:') : text,
      languageVersion,
    )
  }
  const program = ts.createProgram([PLANTED], options, host)
  const planted = program.getSourceFile(PLANTED)!
  const found = new Map<number, string>()
  for (const diagnostic of [...program.getSemanticDiagnostics(planted), ...program.getSyntacticDiagnostics(planted)]) {
    const line = planted.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line + 1
    const message = ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n')
    found.set(line, `${found.get(line) ?? ''}${message}\n`)
  }
  return found
}
