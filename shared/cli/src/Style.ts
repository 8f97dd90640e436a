/** How text looks on a terminal. */
import { CliOutput } from "effect/cli"

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, magenta: 35, cyan: 36 }
export type Style = keyof typeof codes

/** The text in a style, or as it is where there are no colours. */
export const paint = (text: string, style: Style | undefined, hasColor: boolean): string =>
  hasColor && style !== undefined ? `\u001b[${codes[style]}m${text}\u001b[0m` : text

const styles: Readonly<Record<string, Style>> = {
  completed: "green",
  ok: "green",
  ready: "green",
  succeeded: "green",
  retrying: "yellow",
  given_up: "red",
  processing: "yellow",
  warning: "yellow",
  queued: "cyan",
  failed: "red",
  dead: "red",
  disabled: "red",
  cancelled: "magenta"
}
/** The style of a word that says how something is. */
export const styleOf = (word: string): Style | undefined => styles[word]

// oxlint-disable-next-line no-control-regex -- what begins a sequence for terminals
const control = /[\u0000-\u001f\u007f-\u009f]/g

/** A text from elsewhere, without what a terminal would take for a command. */
export const plain = (text: string): string => text.replaceAll(control, " ")

/** The text in so many columns: filled up with blanks, or cut with an ellipsis. */
export const fit = (text: string, width: number): string => {
  const own = CliOutput.displayWidth(text)
  if (own <= width) return text + " ".repeat(width - own)
  if (width < 1) return ""
  let cut = text
  while (CliOutput.displayWidth(cut) > width - 1) cut = cut.slice(0, -1)
  return fit(`${cut}…`, width)
}
