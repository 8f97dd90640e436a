/** What the command line prints: for people on a terminal, plain where it is piped, or as JSON. */
import { Console, Context, Duration, Effect, Layer, Schedule, Stdio, Stream } from "effect"
import { TerminalCapabilities } from "effect/cli"
import * as process from "node:process"
import { fit, paint } from "./Style.ts"
import * as Table from "./Table.ts"

export interface Flags {
  /** One JSON value a line. */
  readonly json: boolean
  /** Results only. */
  readonly quiet: boolean
}

export class Output extends Context.Service<Output, {
  readonly flags: Flags
  readonly look: Table.Look
  /** Prints one thing. */
  show(value: object): Effect.Effect<void>
  /** Prints rows, with these fields where not all are printed. */
  rows<E, R>(rows: Stream.Stream<object, E, R>, columns: ReadonlyArray<string>): Effect.Effect<void, E, R>
  /** Prints a line for people, with the JSON that stands for it. */
  line(text: string, value: unknown): Effect.Effect<void>
  /** Prints a remark beside the results. */
  note(text: string): Effect.Effect<void>
  /** Shows that something is under way, with its time and what `state` says, as long as it is. */
  during<A, E, R>(title: string, state: () => string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R>
}>()("akave-async/Output") {
  static readonly layer = (flags: Flags): Layer.Layer<Output, never, Stdio.Stdio> =>
    Layer.effect(
      Output,
      Effect.gen(function*() {
        const { stdoutIsTerminal } = yield* Stdio.Stdio
        const isTerminal = yield* stdoutIsTerminal
        const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
        const isWatched = process.stderr.isTTY && !flags.quiet && !flags.json
        const look = {
          hasColor: canColor && !flags.json,
          get width() {
            // A terminal that does not know how wide it is has 0.
            return isTerminal ? process.stdout.columns || undefined : undefined
          }
        }
        const json = (value: unknown) => Console.log(JSON.stringify(value))
        const lines = (all: ReadonlyArray<string>) => Console.log(all.join("\n"))
        let isSpinning = false
        /** Takes away what is under way, until it is drawn again. */
        const print = (text: string) =>
          Effect.suspend(() => {
            if (isSpinning) process.stderr.write(clear)
            return Console.log(text)
          })
        return Output.of({
          flags,
          look,
          show: (value) => flags.json ? json(value) : lines(Table.fields(value, look)),
          rows: (rows, columns) =>
            flags.json
              ? Stream.runForEach(rows, json)
              : Effect.flatMap(Stream.runCollect(rows), (all) =>
                all.length === 0
                  ? flags.quiet ? Effect.void : Console.error("none")
                  : lines(Table.table(all, columns, look))),
          line: (text, value) => flags.json ? json(value) : print(text),
          note: (text) => flags.quiet || flags.json ? Effect.void : Console.error(text),
          during: (title, state, effect) =>
            isWatched
              ? Effect.suspend(() => {
                isSpinning = true
                return spinning(title, state, effect, look.hasColor)
              }).pipe(Effect.ensuring(Effect.sync(() => isSpinning = false)))
              : effect
        })
      })
    )
}

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]
const frameTime = Duration.millis(100)
const clear = "\r\u001b[K"

const spinning = <A, E, R>(
  title: string,
  state: () => string,
  effect: Effect.Effect<A, E, R>,
  hasColor: boolean
): Effect.Effect<A, E, R> => {
  const begun = performance.now()
  const frame = (n: number) => {
    const seconds = ((performance.now() - begun) / 1000).toFixed(1)
    const text = `${title} ${state()} ${seconds} s`
    const fitted = fit(text, Math.min(text.length, Math.max(20, (process.stderr.columns || 80) - 3))).trimEnd()
    return `${clear}${paint(frames[n % frames.length] ?? "", "cyan", hasColor)} ${fitted}`
  }
  let n = 0
  const draw = Effect.sync(() => void process.stderr.write(frame(n++)))
  return Effect.raceFirst(effect, Effect.andThen(Effect.repeat(draw, Schedule.spaced(frameTime)), Effect.never)).pipe(
    Effect.ensuring(Effect.sync(() => void process.stderr.write(clear)))
  )
}

const barWidth = 24
/** How far something has come, as a bar. */
export const bar = (done: number, of: number): string => {
  const filled = of === 0 ? barWidth : Math.round(done / of * barWidth)
  return `${"█".repeat(filled)}${"░".repeat(barWidth - filled)} ${done}/${of}`
}
