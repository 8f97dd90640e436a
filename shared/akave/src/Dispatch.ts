// oxlint-disable max-lines -- one transaction from its simulation to its receipt
/**
 * The queue of requests before a chain's node: how many travel together, and how fast, as that node takes them. What it
 * refuses as a batch goes in smaller ones, and what it refuses for its limit on requests goes again after a while.
 */
import { Result } from "effect"
import { RpcError } from "./Errors.ts"
import { isBatchLimit, isRateLimit } from "./Refusals.ts"

export type Outcome = Result.Result<unknown, RpcError>

/** A request under way. */
export interface Call {
  readonly method: string
  readonly params: ReadonlyArray<unknown>
  readonly settle: (outcome: Outcome) => void
}

/** Why calls have no answer, in the words of {@link RpcError}. */
export type Trouble = Pick<RpcError, "code" | "details" | "status" | "cause">

export const failureOf = ({ method }: Call, { cause, code, details, status }: Trouble): Outcome =>
  Result.fail(
    new RpcError({
      method,
      code,
      details,
      ...(status === undefined ? {} : { status }),
      ...(cause === undefined ? {} : { cause })
    })
  )

/** What became of calls that were sent together. */
export type Reply =
  /** Each has its own answer; one that has none was left out. */
  | { readonly _tag: "Answered"; readonly outcomes: ReadonlyMap<Call, Outcome> }
  /** The node took none of them. `retryAfter` is its own wish, in milliseconds. */
  | { readonly _tag: "Refused"; readonly trouble: Trouble; readonly retryAfter?: number | undefined }
  /** They may have been carried out or not. */
  | { readonly _tag: "Lost"; readonly trouble: Trouble }

export interface Options {
  /** Sends calls, and never rejects. It ends early when the signal says that nobody waits any more. */
  readonly post: (calls: ReadonlyArray<Call>, signal: AbortSignal) => Promise<Reply>
  /** Calls in one post at most. */
  readonly size: number
  /** Posts at once at most. */
  readonly width: number
  /** How long calls wait for others to go with, in milliseconds. */
  readonly delay: number
  /** How long a call that was sent waits for its answer, in milliseconds. */
  readonly timeout: number
  /** How long a call waits at most while the node takes no more of them, in milliseconds. */
  readonly patience: number
  /** A call that was sent at this time of `performance.now()` had no answer in time. */
  readonly onTimeout: (sentAt: number) => void
  /** Reports the operator what limits the node has. */
  readonly warn: (message: string) => void
}

export interface Dispatch {
  /** Begins a call and gives what ends it early. */
  begin(call: Call): () => void
  /** Fails what waits, and all that comes after. */
  close(): void
}

interface Entry {
  readonly call: Call
  readonly begun: number
  /** By `performance.now()`; undefined while it waits to be sent. */
  sentAt: number | undefined
  /** The largest batch until one was refused with this in it; 0 where none was. */
  untilRefused: number
  isSettled: boolean
  timer: NodeJS.Timeout
}

const closed: Trouble = { code: "CLOSED", details: "the connection was closed" }
const timedOut: Trouble = { code: "TIMEOUT", details: "no answer in time" }
const leftOut: Trouble = { code: "BAD_DATA", details: "the request was left out of the answer" }

/** Pauses that the node does not give the length of, in milliseconds: each is twice as long as the one before. */
const [firstPause, longestPause] = [250, 4_000]
/** A node's own wish is granted up to this, in milliseconds. */
const longestWish = 30_000
/** What a node refuses of batches is asked for again after this, in milliseconds: it may have been trouble that passed. */
const learntFor = 3_600_000
/** By which the system, and fetch, report that the other side has ended the connection. */
const cutCodes: ReadonlySet<number | string> = new Set(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"])
/** How long batches that were cut off are taken for too large, in milliseconds. */
const sureAfter = 60_000

// oxlint-disable-next-line max-lines-per-function -- its calls share the wallet's queue
export const make = ({ delay, onTimeout, patience, post, timeout, warn, ...most }: Options): Dispatch => {
  const waiting: Array<Entry> = []
  const posts = new Set<{ readonly entries: ReadonlyArray<Entry>; readonly abort: AbortController }>()
  let isClosed = false
  /** The largest batch that the node has not refused, and the largest one now: less after a limit on requests. */
  let [largest, size] = [most.size, most.size]
  let width = most.width
  /** After two batches in a row were cut off, only smaller ones go for a while: some nodes do that to one that is too large. */
  let [unsure, unsureUntil] = [most.size, 0]
  let [cuts, cutAt, cutSize] = [0, 0, most.size]
  /** Methods that the node refused a whole batch for. */
  const alone = new Set<string>()
  let learntAt = 0

  let resumeAt = 0
  let pauses = 0
  /** Why the last pause was made, while calls wait for it. */
  let limit: Trouble | undefined
  let warnedAt = -Infinity
  let timer: NodeJS.Timeout | undefined

  const settle = (entry: Entry, outcome: Outcome) => {
    if (entry.isSettled) return
    entry.isSettled = true
    clearTimeout(entry.timer)
    entry.call.settle(outcome)
  }
  /** Ends an entry that nobody waits for any more; once that is so of all of a post, its socket is of no use. */
  const forget = (entry: Entry) => {
    entry.isSettled = true
    clearTimeout(entry.timer)
    for (const { abort, entries } of posts) {
      if (entries.includes(entry) && entries.every(({ isSettled }) => isSettled)) abort.abort()
    }
  }

  const checkTime = (entry: Entry) => {
    const due = entry.sentAt === undefined
      ? entry.begun + (limit === undefined ? timeout : patience)
      : entry.sentAt + timeout
    const remaining = due - performance.now()
    if (remaining > 1) {
      entry.timer = setTimeout(() => checkTime(entry), remaining)
      return
    }
    forget(entry)
    if (entry.sentAt !== undefined) onTimeout(entry.sentAt)
    entry.call.settle(failureOf(entry.call, entry.sentAt === undefined ? limit ?? timedOut : timedOut))
  }

  const pumpIn = (millis: number) => {
    clearTimeout(timer)
    timer = setTimeout(pump, millis)
  }
  const take = (): ReadonlyArray<Entry> => {
    const taken: Array<Entry> = []
    const passed: Array<Entry> = []
    let looked = 0
    while (taken.length < size && looked < waiting.length) {
      const entry = waiting[looked++] as Entry
      if (entry.isSettled) continue
      const isAlone = taken.length > 0 && [entry, ...taken.slice(0, 1)].some(({ call }) => alone.has(call.method))
      if (isAlone) passed.push(entry)
      else taken.push(entry)
    }
    waiting.splice(0, looked, ...passed)
    return taken
  }
  const pump = () => {
    timer = undefined
    const now = performance.now()
    if (resumeAt > now) return pumpIn(resumeAt - now)
    if (learntAt < now - learntFor) {
      alone.clear()
      largest = most.size
    }
    while (posts.size < width) {
      const entries = take()
      if (entries.length === 0) {
        limit = undefined
        return
      }
      void send(entries)
    }
  }
  const send = async (entries: ReadonlyArray<Entry>) => {
    const sentAt = performance.now()
    for (const entry of entries) entry.sentAt = sentAt
    const sent = { entries, abort: new AbortController() }
    posts.add(sent)
    const reply = await post(entries.map(({ call }) => call), sent.abort.signal)
    posts.delete(sent)
    conclude(entries, reply, sentAt)
    if (waiting.length > 0 && timer === undefined) pump()
  }
  const again = (entries: ReadonlyArray<Entry>) => {
    for (const entry of entries) entry.sentAt = undefined
    waiting.unshift(...entries)
  }

  const slowDown = (trouble: Trouble, retryAfter: number | undefined, sentAt: number) => {
    const now = performance.now()
    limit = trouble
    // Posts that were under way together count as one.
    if (sentAt >= resumeAt) {
      pauses += 1
      size = Math.max(1, Math.floor(size / 2))
    }
    width = 1
    const own = Math.min(longestPause, firstPause * 2 ** (pauses - 1)) * (0.75 + Math.random() / 4)
    const pause = retryAfter === undefined ? own : Math.min(longestWish, retryAfter)
    resumeAt = Math.max(resumeAt, now + pause)
    if (now - warnedAt > patience) {
      warnedAt = now
      warn(`the chain's node limits requests, which wait for it: ${trouble.details} (${trouble.code})`)
    }
  }
  const speedUp = (count: number) => {
    pauses = 0
    if (count >= cutSize) cuts = 0
    const widest = Math.min(largest, performance.now() < unsureUntil ? unsure : largest)
    if (size >= widest) width = Math.min(most.width, 2 * width)
    size = Math.min(widest, 2 * size)
  }
  const beUnsure = (count: number, sentAt: number) => {
    if (sentAt > cutAt + sureAfter) [cuts, cutSize] = [0, most.size]
    if (sentAt >= cutAt) cuts += 1
    cutAt = performance.now()
    cutSize = Math.min(cutSize, count)
    if (cuts < 2) return
    size = unsure = Math.max(1, Math.floor(count / 2))
    unsureUntil = cutAt + sureAfter
  }
  const divide = (entries: ReadonlyArray<Entry>, count: number, trouble: Trouble) => {
    for (const entry of entries) entry.untilRefused = Math.max(entry.untilRefused, largest)
    const half = Math.max(1, Math.floor(count / 2))
    if (half < largest) {
      learntAt = performance.now()
      largest = half
      size = Math.min(size, half)
      width = 1
      warn(
        `the chain's node refused ${count} requests at once, so ${half} at most go together: ${trouble.details} (${trouble.code})`
      )
    }
    again(entries)
  }

  const conclude = (entries: ReadonlyArray<Entry>, reply: Reply, sentAt: number) => {
    const open = entries.filter(({ isSettled }) => !isSettled)
    const failAll = (trouble: Trouble) => {
      for (const entry of open) settle(entry, failureOf(entry.call, trouble))
    }
    switch (reply._tag) {
      case "Lost":
        if (entries.length > 1 && open.length > 0 && cutCodes.has(reply.trouble.code)) beUnsure(entries.length, sentAt)
        return failAll(reply.trouble)
      case "Refused": {
        const { retryAfter, trouble } = reply
        const isBatch = entries.length > 1
        const isSize = isBatch && isBatchLimit(trouble.details)
        if (!isSize && (trouble.status === 429 || retryAfter !== undefined || isLimited(open, trouble))) {
          again(open)
          return slowDown(trouble, retryAfter ?? wishOf(trouble.cause), sentAt)
        }
        if (isBatch) return divide(open, entries.length, trouble)
        // What is refused on its own was not refused for the others.
        for (const { call, untilRefused } of open) {
          if (untilRefused === 0 || alone.has(call.method)) continue
          alone.add(call.method)
          size = largest = Math.max(largest, untilRefused)
        }
        return failAll(trouble)
      }
      case "Answered": {
        const limited: Array<Entry> = []
        const divided: Array<Entry> = []
        let why: RpcError | undefined
        for (const entry of open) {
          const outcome = reply.outcomes.get(entry.call) ?? failureOf(entry.call, leftOut)
          const error = Result.isFailure(outcome) ? outcome.failure : undefined
          if (error !== undefined && entries.length > 1 && isBatchLimit(error.details)) divided.push(entry)
          else if (error !== undefined && isRateLimit(entry.call.method, error.code, error.details)) limited.push(entry)
          else {
            settle(entry, outcome)
            continue
          }
          why = error
        }
        if (why === undefined) return speedUp(entries.length)
        if (divided.length > 0) divide(divided, entries.length, why)
        if (limited.length === 0) return
        again(limited)
        return slowDown(why, wishOf(why.cause), sentAt)
      }
    }
  }

  const begin = (call: Call) => {
    if (isClosed) {
      call.settle(failureOf(call, closed))
      return () => {}
    }
    const entry: Entry = {
      call,
      begun: performance.now(),
      sentAt: undefined,
      untilRefused: 0,
      isSettled: false,
      timer: setTimeout(() => checkTime(entry), timeout)
    }
    waiting.push(entry)
    if (delay === 0 || waiting.length >= size) pump()
    else if (timer === undefined) pumpIn(delay)
    return () => forget(entry)
  }

  const close = () => {
    isClosed = true
    clearTimeout(timer)
    for (const entry of [...waiting, ...Array.from(posts).flatMap(({ entries }) => entries)]) {
      settle(entry, failureOf(entry.call, closed))
    }
    for (const { abort } of posts) abort.abort()
  }

  return { begin, close }
}

const isLimited = (entries: ReadonlyArray<Entry>, { code, details }: Trouble): boolean =>
  entries.some(({ call }) => isRateLimit(call.method, code, details))

/** How long Infura asks to wait, in milliseconds: `data.rate.backoff_seconds` of its error, which is 0 at times. */
const wishOf = (error: unknown): number | undefined => {
  const data = typeof error === "object" && error !== null ? Reflect.get(error, "data") : undefined
  const rate = typeof data === "object" && data !== null ? Reflect.get(data, "rate") : undefined
  const seconds = typeof rate === "object" && rate !== null ? Number(Reflect.get(rate, "backoff_seconds")) : 0
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : undefined
}
