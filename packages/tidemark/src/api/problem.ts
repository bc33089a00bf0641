declare const problem: unique symbol

/**
 * A type that nothing has. Where a type would be wrong it stands in its place, so that the compiler's message contains `Text`: what is
 * wrong and what to do.
 */
export interface Problem<Text extends string> {
  readonly [problem]: Text
}

/** Every text that the compiler may print on behalf of the API. */
export interface ProblemTexts {
  readonly mapReturnsPromise: 'This step is synchronous: return a value, not a promise. Await in a source or in a sink.'
  readonly mapReturnsNothing: 'The function returns nothing. Return a value, or use filter() to drop records.'
  readonly filterReturnsOther: 'This step is synchronous: return true or false, not a promise.'
  readonly flatMapReturnsOther: 'This step is synchronous: return an array or another iterable, not a promise.'
  readonly scanReturnsOther: 'This step is synchronous: return the new accumulator, of the type that the initial one has.'
  readonly callbackReturnsOther: 'This callback is synchronous and returns nothing: emit results, and await in a source or in a sink.'
  readonly keyMayBeUndefined: 'The key may be undefined or null. Filter such records out first, or give a default: (record) => record.name ?? "".'
  readonly keyIsNoKey: 'A key is a string, number, bigint, boolean, or a tuple of them. Select such a property, or build a tuple: (record) => [record.a, record.b].'
  readonly nameIsMissing: 'Give the step a name first: process(name, { … }). Its state is stored under this name.'
  readonly initialIsShared: 'An initial object would be shared by all keys. Give a function that makes a new one: value(() => …).'
  readonly keyedOnly: 'Without a key there is only list() state. Call keyBy() before process().'
  readonly broadcastOnly: 'broadcastMap() state needs a broadcast side: connect({ records, rules: rules.broadcast() }).process(…).'
  readonly differentKeys: 'All keyed inputs of connect() must be keyed by the same type.'
  readonly mixedInputs: 'Either all or none of the inputs of connect() that are not broadcast must be keyed: call keyBy() on the others.'
  readonly noBroadcastSide: 'connect() needs inputs keyed by the same type, or a broadcast side: keyBy() the inputs, or broadcast() one of them.'
  readonly onlyBroadcastSides: 'connect() needs at least one input that is not broadcast.'
}
