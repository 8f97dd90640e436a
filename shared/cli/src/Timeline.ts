/** How a job is explained to people: a line for each of its events, its fee, and what it waits for. */
import type { JobExplanation, TimelineEntry } from "@akave-async/client/effect"
import { CliOutput } from "effect/cli"
import { paint, plain, type Style, styleOf } from "./Style.ts"
import type { Look } from "./Table.ts"

const timeWidth = 12
const pauseWidth = 9
const stepWidth = 14
const gap = "  "
/** Where the words of an entry begin. */
const indent = timeWidth + pauseWidth + stepWidth + 3 * gap.length
/** No words are made narrower than this. */
const least = 20
/** A wait is named from so many milliseconds on. */
const long = 1_000

/** The text in lines of so many columns, broken at blanks; a word that is longer has a line of its own. */
const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const lines = [""]
  for (const word of text.split(" ")) {
    const line = lines.at(-1) ?? ""
    const longer = line === "" ? word : `${line} ${word}`
    if (line === "" || CliOutput.displayWidth(longer) <= width) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}

/** The text behind a head, in as many lines as it takes, of which only the first one has the head. */
const behind = (head: string, text: string, at: number, width: number | undefined): ReadonlyArray<string> =>
  wrap(plain(text), Math.max(least, (width ?? Infinity) - at)).map((line, n) =>
    n === 0 ? `${head}${line}` : `${" ".repeat(at)}${line}`
  )

/** Milliseconds in few characters. */
const short = (millis: number): string => {
  if (millis < 1_000) return `${millis} ms`
  if (millis < 100_000) return `${(millis / 1_000).toFixed(1)} s`
  const minutes = Math.floor(millis / 60_000)
  return minutes < 600 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`
}

/** An amount with a point before its last digits, without zeros at the end. */
const shifted = (amount: string, digits: number): string => {
  const all = amount.padStart(digits + 1, "0")
  return `${all.slice(0, -digits)}.${all.slice(-digits)}`.replace(/\.?0+$/, "")
}

const waits: Readonly<Record<NonNullable<TimelineEntry["waited_for"]>, string>> = {
  executor: "waited for an executor",
  preparation: "the transaction was prepared",
  chain: "waited for the chain",
  funds: "waited for funds",
  next_attempt: "waited for the next attempt"
}

const styleOfStep = (step: TimelineEntry["step"]): Style =>
  styleOf(step) ?? (step === "attempt_failed" ? "yellow" : "cyan")

const entry = (one: TimelineEntry, before: TimelineEntry | undefined, { hasColor, width }: Look) => {
  const { executor, message, step, time, tx_hash, waited_for, waited_ms } = one
  const day = time.slice(0, 10)
  const pause = waited_ms === null ? "" : `+${short(waited_ms)}`
  const head = [
    plain(time.slice(11, 23)).padEnd(timeWidth),
    paint(pause.padStart(pauseWidth), "dim", hasColor),
    paint(plain(step).padEnd(stepWidth), styleOfStep(step), hasColor),
    ""
  ].join(gap)
  const notes = [
    ...executor === null || executor === before?.executor ? [] : [`executor ${executor}`],
    ...waited_for === null || (waited_ms ?? 0) < long ? [] : [waits[waited_for]]
  ]
  const text = notes.length === 0 ? message : `${message} (${notes.join("; ")})`
  return [
    ...day === before?.time.slice(0, 10) ? [] : [paint(`${plain(day)}, UTC`, "dim", hasColor)],
    ...behind(head, text, indent, width),
    // So it fits 80 columns.
    ...tx_hash === null || tx_hash === before?.tx_hash
      ? []
      : [`${" ".repeat(timeWidth + gap.length)}${paint(plain(tx_hash), "dim", hasColor)}`]
  ]
}

const fee = ({ fees, status }: JobExplanation): string | undefined => {
  const { at_most_wei, effective_gas_price, gas_used, max_fee_per_gas, paid_wei } = fees
  if (status !== "completed") return undefined
  if (paid_wei !== null && effective_gas_price !== null) {
    return `${paid_wei} wei (${shifted(paid_wei, 18)} ether): ${gas_used} gas units for ${
      shifted(effective_gas_price, 9)
    } gwei each`
  }
  return at_most_wei === null || max_fee_per_gas === null
    ? "not recorded"
    : `at most ${at_most_wei} wei (${shifted(at_most_wei, 18)} ether): ${gas_used} gas units for at most ${
      shifted(max_fee_per_gas, 9)
    } gwei each; what was paid is not recorded`
}

/** A line with a name before it. */
const named = (name: string, style: Style, text: string, { hasColor, width }: Look) =>
  behind(`${paint(name, style, hasColor)}${gap}`, text, name.length + gap.length, width)

/** The explanation as lines. */
export const lines = (explanation: JobExplanation, look: Look): ReadonlyArray<string> => {
  const { bucket_name, file_name, job_id, operation, status, summary, timeline, waiting } = explanation
  const subject = file_name === null ? bucket_name : `${file_name} in ${bucket_name}`
  const paid = fee(explanation)
  return [
    `${plain(job_id)}${gap}${paint(plain(status), styleOf(status), look.hasColor)}`,
    // The summary of a job that waits says why, which comes below.
    ...behind("", waiting === null ? summary : `${operation} of ${subject}`, 0, look.width),
    "",
    ...timeline.flatMap((one, n) => entry(one, timeline[n - 1], look)),
    ...paid === undefined ? [] : ["", ...named("fee", "bold", paid, look)],
    ...waiting === null ? [] : [
      "",
      ...named("waiting now:", "yellow", `${waiting.detail} (${waiting.reason})`, look),
      ...waiting.advice === null ? [] : named("what to do: ", "bold", waiting.advice, look)
    ]
  ]
}
