import type { Output } from '../host.ts'

/** A terminal as its user sees it: knows `\r`, `\n` and "clear to the end of the line". */
export class MemoryTerminal implements Output {
  readonly isTerminal: boolean
  readonly columns: number
  written = ''

  constructor({ isTerminal = true, columns = 120 } = {}) {
    this.isTerminal = isTerminal
    this.columns = columns
  }

  write(text: string): void {
    this.written += text
  }

  get screen(): readonly string[] {
    return this.written.split('\n').map(renderLine)
  }
}

const CLEAR_TO_END = '\u001B[K'

function renderLine(written: string): string {
  let line = ''
  for (const drawn of written.split('\r')) {
    // Drawn over what is there, from the first column.
    const [text = '', ...cleared] = drawn.split(CLEAR_TO_END)
    line = cleared.length === 0 ? text + line.slice(text.length) : text + cleared.join('')
  }
  return line
}
