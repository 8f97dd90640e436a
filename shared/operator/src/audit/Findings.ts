/** What a comparison of the log with its archive has found, from the pairs that are not the same. */
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import { contentOf, type Entry, type Pair, type Side, sides } from "./Alignment.ts"

/** What was stated of the log: the hash chain's hash after the event of a sequence. */
export interface Statement {
  readonly sequence: number
  /** 64 lower-case hexadecimal digits. */
  readonly hash: string
  /** What stated it, as a noun. */
  readonly by: string
}

/** The store that was changed, as far as statements show. */
export type Blame = Side | "unknown"

/** An event, as a finding names it. */
export interface Named {
  readonly sequence: number
  readonly type: string
  readonly id: string
  readonly subject: string
}

export type Finding =
  /** One store has an event that the other has not: it was added there or removed here. */
  | { readonly _tag: "OnlyIn"; readonly side: Side; readonly event: Named; readonly blame: Blame }
  /** The stores have different events at one place. */
  | {
    readonly _tag: "Differs"
    readonly log: Named
    readonly archive: Named
    /** What differs: `subject`, `data`, or the names of headers. */
    readonly fields: ReadonlyArray<string>
    readonly blame: Blame
  }
  /** The stores have two events in each other's places. They are named as the log has them. */
  | { readonly _tag: "Swapped"; readonly first: Named; readonly second: Named; readonly blame: Blame }
  /** The stores have one event at different places. It is named as the log has it. */
  | { readonly _tag: "Moved"; readonly event: Named; readonly inArchive: number; readonly blame: Blame }
  /** From one event of the log to another, the archive has them under sequences that are so much higher. */
  | { readonly _tag: "Shifted"; readonly from: Named; readonly to: Named; readonly by: number; readonly blame: Blame }
  /** The archive's events of this range can't be read. */
  | { readonly _tag: "Unreadable"; readonly from: number; readonly to: number; readonly reason: string }
  /** Both stores have the same events behind `after`, and not those that were stated. */
  | { readonly _tag: "NotAsStated"; readonly after: number; readonly statement: Statement; readonly hash: string }
  /** Both stores end before what was stated. */
  | { readonly _tag: "NotReached"; readonly lastSequence: number; readonly statement: Statement }

export const nameOf = ({ headers, sequence, subject }: StoredEvent): Named => ({
  sequence,
  type: headers["ce-type"] ?? "",
  id: headers["nats-msg-id"] ?? headers["ce-id"] ?? "",
  subject
})

/** What differs in two events: `subject`, `data`, or the names of headers. */
export const fieldsThatDiffer = (a: StoredEvent, b: StoredEvent): ReadonlyArray<string> => [
  ...(a.subject === b.subject ? [] : ["subject"]),
  ...[...new Set([...Object.keys(a.headers), ...Object.keys(b.headers)])].filter((name) =>
    a.headers[name] !== b.headers[name]
  ),
  ...(Buffer.compare(a.data, b.data) === 0 ? [] : ["data"])
]

type Both = { readonly [S in Side]: Entry }
const hasBoth = (pair: Pair): pair is Both => pair.log !== undefined && pair.archive !== undefined

/** What the pairs of a range that are not the same amount to, in the order of their places. */
export const findingsOf = (pairs: ReadonlyArray<Pair>, blame: Blame): ReadonlyArray<Finding> => {
  const both = pairs.filter(hasBoth)
  const shifted = both.filter(({ archive, log }) => contentOf(log) === contentOf(archive))
  const differing = both.filter((pair) => !shifted.includes(pair))
  const single = pairs.filter((pair) => !hasBoth(pair))
  const found = [
    ...swapsOf(differing, blame),
    ...movesOf(single, blame),
    ...shiftsOf(shifted, blame)
  ]
  return neighboursSwapped(found, blame).toSorted((a, b) => placeOf(a) - placeOf(b))
}

/** The first place that a finding speaks of. */
export const placeOf = (finding: Finding): number => {
  switch (finding._tag) {
    case "OnlyIn":
    case "Moved":
      return finding.event.sequence
    case "Differs":
      return finding.log.sequence
    case "Swapped":
      return Math.min(finding.first.sequence, finding.second.sequence)
    case "Shifted":
      return finding.from.sequence
    case "Unreadable":
      return finding.from
    case "NotAsStated":
      return finding.after
    case "NotReached":
      return finding.lastSequence
  }
}

const swapsOf = (pairs: ReadonlyArray<Both>, blame: Blame): ReadonlyArray<Finding> => {
  const byLog = new Map(pairs.map((pair) => [contentOf(pair.log), pair]))
  const done = new Set<Both>()
  return pairs.flatMap((pair): ReadonlyArray<Finding> => {
    if (done.has(pair)) return []
    done.add(pair)
    const twin = byLog.get(contentOf(pair.archive))
    if (twin !== undefined && !done.has(twin) && contentOf(twin.archive) === contentOf(pair.log)) {
      done.add(twin)
      return [{ _tag: "Swapped", first: nameOf(pair.log.event), second: nameOf(twin.log.event), blame }]
    }
    const [log, archive] = [pair.log.event, pair.archive.event]
    return [{
      _tag: "Differs",
      log: nameOf(log),
      archive: nameOf(archive),
      fields: fieldsThatDiffer(log, archive),
      blame
    }]
  })
}

const movesOf = (pairs: ReadonlyArray<Pair>, blame: Blame): ReadonlyArray<Finding> => {
  const inArchive = new Map(
    pairs.flatMap(({ archive }) => archive === undefined ? [] : [[contentOf(archive), archive]])
  )
  const moved = new Set<Entry>()
  const ofLog = pairs.flatMap(({ log }): ReadonlyArray<Finding> => {
    if (log === undefined) return []
    const twin = inArchive.get(contentOf(log))
    if (twin === undefined) return [{ _tag: "OnlyIn", side: "log", event: nameOf(log.event), blame }]
    moved.add(twin)
    return [{ _tag: "Moved", event: nameOf(log.event), inArchive: twin.event.sequence, blame }]
  })
  const ofArchive = pairs.flatMap(({ archive }): ReadonlyArray<Finding> =>
    archive === undefined || moved.has(archive)
      ? []
      : [{ _tag: "OnlyIn", side: "archive", event: nameOf(archive.event), blame }]
  )
  return [...ofLog, ...ofArchive]
}

const shiftsOf = (pairs: ReadonlyArray<Both>, blame: Blame): ReadonlyArray<Finding> => {
  const runs: Array<Extract<Finding, { readonly _tag: "Shifted" }>> = []
  for (const { archive, log } of pairs) {
    const by = archive.event.sequence - log.event.sequence
    const last = runs.at(-1)
    const event = nameOf(log.event)
    if (last !== undefined && last.by === by && last.to.sequence < event.sequence) {
      runs[runs.length - 1] = { ...last, to: event }
    } else runs.push({ _tag: "Shifted", from: event, to: event, by, blame })
  }
  return runs
}

/** Two events that changed places with nothing between them are one that moved past one that is shifted. */
const neighboursSwapped = (found: ReadonlyArray<Finding>, blame: Blame): ReadonlyArray<Finding> => {
  const rest = new Set(found)
  const swaps = found.flatMap((one): ReadonlyArray<Finding> => {
    if (one._tag !== "Moved") return []
    const passed = found.find((two) =>
      two._tag === "Shifted" && two.from === two.to && rest.has(two)
      && two.from.sequence === one.inArchive && two.from.sequence + two.by === one.event.sequence
    )
    if (passed?._tag !== "Shifted") return []
    rest.delete(one)
    rest.delete(passed)
    return [{ _tag: "Swapped", first: passed.from, second: one.event, blame }]
  })
  return [...rest, ...swaps]
}

const sideNames: Readonly<Record<Side, string>> = { log: "the event log", archive: "the archive" }
const describe = ({ id, sequence, type }: Named) => `event ${sequence} (${type || "no type"}, ${id || "no id"})`
const blamed = (blame: Blame) =>
  blame === "unknown"
    ? "which of the two was changed can't be told: no checkpoint covers it"
    : `${sideNames[blame]} was changed`

/** A finding in a sentence. */
export const sentenceOf = (finding: Finding): string => {
  switch (finding._tag) {
    case "OnlyIn": {
      const { blame, event, side } = finding
      const away = sides.find((one) => one !== side) ?? side
      if (blame === side) return `${describe(event)} was added to ${sideNames[side]}`
      if (blame === away) return `${describe(event)} is missing in ${sideNames[away]}`
      return `${describe(event)} is in ${sideNames[side]} only; ${blamed(blame)}`
    }
    case "Differs": {
      const { archive, blame, fields, log } = finding
      const what = fields.join(", ")
      return log.id === archive.id
        ? `${describe(log)} has another ${what} in the log than in the archive; ${blamed(blame)}`
        : `${describe(log)} of the log is ${describe(archive)} in the archive; ${blamed(blame)}`
    }
    case "Swapped":
      return `${describe(finding.first)} and ${describe(finding.second)} are swapped; ${blamed(finding.blame)}`
    case "Moved":
      return `${describe(finding.event)} of the log is event ${finding.inArchive} of the archive; ${
        blamed(finding.blame)
      }`
    case "Shifted": {
      const { blame, by, from, to } = finding
      const range = from === to ? describe(from) : `the log's events ${from.sequence} to ${to.sequence}`
      return `${range} have sequences in the archive that are ${Math.abs(by)} ${by > 0 ? "higher" : "lower"}; ${
        blamed(blame)
      }`
    }
    case "Unreadable":
      return `the archive's segment of the events ${finding.from} to ${finding.to} can't be read: ${finding.reason}`
    case "NotAsStated": {
      const { after, hash, statement } = finding
      return `log and archive hold the same events ${
        after + 1
      } to ${statement.sequence}, and not those of ${statement.by}:`
        + ` its hash is ${statement.hash}, and theirs is ${hash}`
    }
    case "NotReached":
      return `log and archive end at event ${finding.lastSequence}, before ${finding.statement.by} (event ${finding.statement.sequence})`
  }
}
