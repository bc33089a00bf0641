export { isTidemarkError, TidemarkError } from './core/errors.ts'
