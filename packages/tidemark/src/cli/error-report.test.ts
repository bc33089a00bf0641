import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ErrorInfo, TidemarkError, toErrorInfo } from '../core/errors.ts'
import { renderError } from './error-report.ts'
import { shortError } from './event-lines.ts'

const ownPackage = join('/project', 'node_modules', 'tidemark')
const options = { isVerbose: false, directory: '/project', ownPackage }

function withStack(error: Error, frames: readonly string[]): Error {
  error.stack = [`${error.name}: ${error.message}`, ...frames.map((frame) => `    at ${frame}`)].join('\n')
  return error
}

const cause = withStack(new TypeError('no whales'), [
  'parse (file:///project/jobs/job.ts:4:37)',
  'async load (/project/node_modules/pg/index.js:1:2)',
  'invalid (file:///project/node_modules/@tidemark/kafka/dist/bundled/index.js:1:2)',
  'Task.step (/project/node_modules/tidemark/src/runtime/task/task.ts:134:30)',
  'process.processImmediate (node:internal/timers:483:21)',
  '/elsewhere/shared.ts:9:1',
])
const inner = withStack(
  new TidemarkError('USER_FUNCTION', 'operator map-1 failed', {
    cause,
    action: 'Correct the function.',
    context: { operator: 'map-1', position: 'a.txt:7', value: 'x'.repeat(1000) },
  }),
  ['Chain.process (/project/node_modules/tidemark/dist/runtime/operator/chain.js:1:1)'],
)
const outer = new TidemarkError('RESTARTS_EXHAUSTED', 'gave up', { cause: inner, context: { job: 'whales' } })

describe('an error report', () => {
  test('shows what would move the cursor or colour the terminal, where a record or a server has put it', () => {
    const hostile = new TidemarkError(
      'CORRUPT_DATA',
      'no \u001b]0;title\u0007, \u001b[2J, \u009b1A, \r, \u202e in é 🌊',
      {
        context: { value: '\u001b[31m' },
      },
    )
    for (const shown of [renderError(toErrorInfo(hostile), options), shortError(toErrorInfo(hostile))]) {
      expect(shown).toContain('\\u001b]0;title\\u0007, \\u001b[2J, \\u009b1A, \\u000d, \\u202e in é 🌊')
      // eslint-disable-next-line no-control-regex
      expect(shown).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/)
    }
  })

  test('says what, where, why with the user’s own frames, and what to do', () => {
    expect(renderError(toErrorInfo(outer), options)).toBe(
      [
        'RESTARTS_EXHAUSTED: gave up',
        '  job        whales',
        '  operator   map-1',
        '  position   a.txt:7',
        `  value      ${'x'.repeat(300)}…`,
        '  because    USER_FUNCTION: operator map-1 failed',
        '  because    TypeError: no whales',
        '             at parse (jobs/job.ts:4:37)',
        '             at async load (node_modules/pg/index.js:1:2)',
        '             at /elsewhere/shared.ts:9:1',
        '  what to do Correct the function.',
      ].join('\n'),
    )
  })

  test('shows the engine’s frames to those who ask for them', () => {
    const text = renderError(toErrorInfo(outer), { ...options, isVerbose: true })
    expect(text).toContain('task.ts:134:30')
    expect(text).toContain('chain.js:1:1')
  })

  test('does not repeat a cause that says the same', () => {
    const info: ErrorInfo = { name: 'Error', message: 'twice', cause: { name: 'Error', message: 'twice' } }
    expect(renderError(info, options)).toBe('Error: twice')
  })

  test('fits one line in short', () => {
    expect(shortError(toErrorInfo(inner))).toBe('USER_FUNCTION at a.txt:7: operator map-1 failed: no whales')
    expect(shortError({ name: 'Error', message: 'first\nsecond' })).toBe('Error: first')
  })
})
