import { expect, test } from 'vitest'
import { type CallSite, callSite, frameLocation, methodCallSite } from './call-site.ts'

test('the call site is where the user called, however deep the package asks', () => {
  function publicFunction(): CallSite {
    return inner()
  }
  function inner(): CallSite {
    return callSite(publicFunction)
  }
  const places = [publicFunction(), publicFunction()].map((site) => site())
  expect(places[0]).toMatch(/^\/.*call-site\.test\.ts:\d+:\d+$/)
  expect(places[1]).not.toBe(places[0])
})

test('the call site of a method is found through whatever overrides it', () => {
  class Base {
    ask(): CallSite {
      return methodCallSite(this, 'ask')
    }
  }
  class Derived extends Base {
    override ask(): CallSite {
      return super.ask()
    }
  }
  const [direct, derived] = [new Base().ask(), new Derived().ask()].map((site) => site())
  expect(derived?.split(':').at(-2)).toBe(direct?.split(':').at(-2))
})

test.each([
  ['    at build (file:///home/me/job.ts:12:6)', '/home/me/job.ts:12:6'],
  ['    at file:///home/me/job.ts:12:6', '/home/me/job.ts:12:6'],
  ['    at async build (/home/me/my (old) jobs/job.ts:1:2)', '/home/me/my (old) jobs/job.ts:1:2'],
  ['    at Object.build [as default] (C:\\jobs\\job.ts:3:4)', 'C:\\jobs\\job.ts:3:4'],
  ['    at new Job (file:///C:/jobs/job.ts:3:4)', '/C:/jobs/job.ts:3:4'],
  ['    at <anonymous>', undefined],
  ['    at Array.map (<anonymous>)', undefined],
])('%s is at %s', (frame, location) => {
  expect(frameLocation(frame)).toBe(location)
})
