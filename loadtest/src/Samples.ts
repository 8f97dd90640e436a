/** What a run measured, over its time: taken in sample by sample, in a size that does not grow with the run. */
import type { Group, Troubles } from "./Report.ts"
import { answerMetric } from "./Rules.ts"
import { type Request, routes } from "./Scenario.ts"

/** A sample as k6 writes it with `--out json`. */
export interface Sample {
  readonly metric: string
  readonly data: {
    readonly time: string
    readonly value: number
    readonly tags?: Readonly<Record<string, string>>
    readonly metadata?: Readonly<Record<string, string>>
  }
}

/** The requests of a kind that were answered within one interval. */
export interface Interval {
  /** Seconds from the start of the run to the start of the interval. */
  readonly second: number
  readonly perSecond: number
  /** Null where there was no answer. */
  readonly median: number | null
  readonly p95: number | null
}

/** How many jobs took from so many seconds on, up to the next number. */
export interface Bar {
  readonly second: number
  readonly count: number
}

/** Times are counted in classes that are 2 % wide. */
const base = Math.log(1.02)
/** The charts have about so many intervals, and so many bars at most. */
const intervals = 120
const bars = 40
/** Of each kind of trouble so many examples are kept, and so many kinds. */
const examples = 3
const kinds = 50

const requests = Object.keys(routes).filter((name): name is Request => Object.hasOwn(routes, name))
const requestByMetric = new Map(requests.map((request) => [answerMetric(request), request]))

/** The samples that are looked at, of all that k6 writes. */
const isOfInterest = /^{"metric":"(http_req_duration|http_req_waiting|http_req_failed|job_duration|jobs_not_completed)"/

/** Takes in what was measured. */
export class Samples {
  readonly #start: number
  readonly #width: number
  readonly #answers = new Map<Request, Map<number, Map<number, number>>>()
  readonly #jobSeconds = new Map<number, number>()
  readonly #troubles = { requests: new Map<string, Group>(), jobs: new Map<string, Group>() }

  /** Begins now, or at another time in milliseconds, with a run of about so many seconds. */
  constructor(seconds: number, start = Date.now()) {
    this.#start = start
    this.#width = Math.max(1, Math.ceil(seconds / intervals))
  }

  /** Takes a line of k6's output. */
  addLine(line: string): void {
    if (!isOfInterest.test(line)) return
    const sample = JSON.parse(line)
    if (sample.data.time !== undefined) this.add(sample)
  }

  /** Takes a sample. */
  add({ data: { metadata = {}, tags = {}, time, value }, metric }: Sample): void {
    const request = requestByMetric.get(`${metric}{request:${tags["request"]}}`)
    if (request !== undefined) this.#addAnswer(request, Date.parse(time), value)
    else if (metric === "http_req_failed" && value === 1) {
      const why = tags["error"] || `status ${tags["status"]}`
      count(this.#troubles.requests, `${tags["name"]}: ${why.replace(/^.*: dial|^.*": /, "")}`)
    } else if (metric === "job_duration") {
      const tenth = Math.floor(value / 100)
      this.#jobSeconds.set(tenth, (this.#jobSeconds.get(tenth) ?? 0) + 1)
    } else if (metric === "jobs_not_completed") {
      const error = tags["job_error"] ? ` with ${tags["job_error"]}` : ""
      count(this.#troubles.jobs, `last seen ${tags["last_status"]}${error}`, metadata["job"])
    }
  }

  #addAnswer(request: Request, time: number, millis: number): void {
    const interval = Math.max(0, Math.floor((time - this.#start) / 1000 / this.#width))
    const byInterval = this.#answers.get(request) ?? new Map<number, Map<number, number>>()
    this.#answers.set(request, byInterval)
    const classes = byInterval.get(interval) ?? new Map<number, number>()
    byInterval.set(interval, classes)
    const size = Math.round(Math.log(Math.max(0.01, millis)) / base)
    classes.set(size, (classes.get(size) ?? 0) + 1)
  }

  /** How the requests of each kind went, in each interval from the start of the run to the last answer. */
  series(): Readonly<Partial<Record<Request, ReadonlyArray<Interval>>>> {
    const length = 1 +
      Math.max(-1, ...Array.from(this.#answers.values(), (byInterval) => Math.max(...byInterval.keys())))
    return Object.fromEntries(
      Array.from(this.#answers, ([request, byInterval]) => [
        request,
        Array.from({ length }, (_, interval): Interval => {
          const classes = byInterval.get(interval) ?? new Map<number, number>()
          return {
            second: interval * this.#width,
            perSecond: sum(classes.values()) / this.#width,
            median: percentileOf(classes, 50),
            p95: percentileOf(classes, 95)
          }
        })
      ])
    )
  }

  /** How long jobs took, in bars of one width. */
  jobBars(): { readonly width: number; readonly bars: ReadonlyArray<Bar> } {
    const longest = Math.max(0, ...this.#jobSeconds.keys()) + 1
    const tenths = Math.ceil(longest / bars)
    const counts = Array.from({ length: Math.ceil(longest / tenths) }, () => 0)
    for (const [tenth, count] of this.#jobSeconds) {
      const bar = Math.floor(tenth / tenths)
      counts[bar] = (counts[bar] ?? 0) + count
    }
    const shown = this.#jobSeconds.size === 0 ? [] : counts
    return { width: tenths / 10, bars: shown.map((count, bar) => ({ second: bar * tenths / 10, count })) }
  }

  /** What is not as wanted. */
  troubles(): Troubles {
    const sorted = (groups: ReadonlyMap<string, Group>) => [...groups.values()].toSorted((a, b) => b.count - a.count)
    return { requests: sorted(this.#troubles.requests), jobs: sorted(this.#troubles.jobs) }
  }
}

const count = (groups: Map<string, Group>, kind: string, example?: string) => {
  const what = groups.has(kind) || groups.size < kinds ? kind : "of other kinds"
  const known = groups.get(what) ?? { what, count: 0, examples: [] }
  groups.set(what, {
    what,
    count: known.count + 1,
    examples: example !== undefined && known.examples.length < examples ? [...known.examples, example] : known.examples
  })
}

const sum = (values: Iterable<number>) => Array.from(values).reduce((total, value) => total + value, 0)

/** The time, by classes, that so many percent do not exceed; null where there is none. */
const percentileOf = (classes: ReadonlyMap<number, number>, percent: number): number | null => {
  let left = Math.ceil(sum(classes.values()) * percent / 100)
  for (const [size, count] of Array.from(classes).toSorted(([a], [b]) => a - b)) {
    left -= count
    if (left <= 0) return Math.exp(size * base)
  }
  return null
}
