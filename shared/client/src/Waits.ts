/**
 * Waits for the ends of jobs. All waits of a client share one stream of events. Where no stream is to be had, each asks by long
 * polls, and where these are refused, again and again.
 */
import { CallTimeout, WaitEnded } from "./Errors.ts"
import * as EventStream from "./EventStream.ts"
import { parameter } from "./Paths.ts"
import { failureDelay, maxFailures, pollingDelay } from "./Polling.ts"
import { sleep, within } from "./Timing.ts"
import { mayPass, type Transport } from "./Transport.ts"
import type { Event, Job } from "./Wire.ts"

export interface WaitOptions {
  /** Ends the wait, not the job. */
  readonly signal?: AbortSignal
  /** How long to wait at most, in milliseconds; without it, until the job has ended. */
  readonly timeout?: number
  /** Gets the job when the wait begins, and whenever it has changed. */
  readonly onChange?: (job: Job) => void
}

/** How the ends of jobs are learnt of, from the best on. */
export type Way = "stream" | "long poll" | "polling"

export interface Waits {
  /** The job once it has ended, however that was. Fails with {@link WaitEnded} when the wait is over before. */
  wait(jobId: string, options?: WaitOptions): Promise<Job>
  /** How ends are learnt of now. */
  way(): Way
}

/** A wait under way. */
interface Waiting {
  readonly jobId: string
  readonly onChange: ((job: Job) => void) | undefined
  /** Wakes the wait, or keeps it from falling asleep. */
  wake: () => void
  /** Whether the stream has announced the job's end. */
  isDue: boolean
}

export const isEnded = ({ status }: Job): boolean => !["queued", "processing"].includes(status)

/** The steps of a job that are not its end: the type of an event ends with its step and its version. */
const isStep = ({ type }: Event): boolean =>
  /(Requested|Started|Submitted|AttemptFailed|Advanced|Abandoned)\.v\d+$/.test(type)

/** After the last wait the stream stays open for so long, in milliseconds, for a wait that follows at once. */
const linger = 100
/** Seconds that a long poll asks for: with few waits, and with so many that they must take turns. */
const [longPoll, shortPoll, fewWaits] = [25, 1, 20]

// oxlint-disable-next-line max-lines-per-function -- its parts share who waits, and how
export const make = (transport: Transport): Waits => {
  let way: Way = "stream"
  const { debug, pace = 1 } = transport.settings
  const waiting = new Set<Waiting>()
  let following: AbortController | undefined

  const wakeAll = () => {
    for (const one of waiting) one.wake()
  }
  const degrade = (to: Way, error: unknown) => {
    debug(`waits by ${to}: ${error instanceof Error ? error.message : String(error)}`)
    way = to
    wakeAll()
  }

  const announce = (event: Event) => {
    for (const one of waiting) {
      if (one.jobId !== event.correlationid) continue
      one.isDue ||= !isStep(event)
      if (one.isDue || one.onChange !== undefined) one.wake()
    }
  }

  /** Follows the events for those who wait. */
  const follow = async (signal: AbortSignal) => {
    let last: string | undefined
    for (let failures = 0; !signal.aborted;) {
      try {
        const stream = await EventStream.open(transport, "/events", last, signal)
        // What has happened before is looked up.
        wakeAll()
        for await (const { event, id } of stream?.events ?? []) {
          failures = 0
          last = id ?? event.sequence
          announce(event)
        }
        failures++
      } catch (error) {
        if (signal.aborted) return
        if (!mayPass(error)) return degrade("long poll", error)
        failures++
        // Perhaps it is only the stream that fails.
        wakeAll()
      }
      await sleep(failureDelay(failures, undefined) * pace, signal).catch(() => {})
    }
  }

  const enter = (one: Waiting) => {
    waiting.add(one)
    if (way !== "stream" || following !== undefined) return
    const controller = new AbortController()
    following = controller
    void follow(controller.signal).finally(() => {
      if (following === controller) following = undefined
    })
  }
  const leave = (one: Waiting) => {
    waiting.delete(one)
    setTimeout(() => {
      if (waiting.size > 0) return
      following?.abort()
      following = undefined
    }, linger)
  }

  /** The job if it is not as it was; by a long poll as soon as that is so. */
  const look = async (jobId: string, etag: string | undefined, isLong: boolean, signal: AbortSignal) => {
    const seconds = waiting.size > fewWaits ? shortPoll : longPoll
    const query = isLong ? `?wait=${seconds}` : ""
    const { body, headers } = await transport.send({
      method: "GET",
      path: `/jobs/${parameter("job_id", jobId)}${query}`,
      headers: etag === undefined ? {} : { "if-none-match": etag },
      isRepeatable: true,
      isTriedOnce: true
    }, { signal })
    return body === undefined ? undefined : { job: body as Job, etag: headers.get("etag") ?? undefined }
  }

  const ended = async (one: Waiting, signal: AbortSignal): Promise<Job> => {
    let etag: string | undefined
    let isAwake = false
    let wake = () => {}
    one.wake = () => {
      isAwake = true
      wake()
    }
    for (let looks = 0, failures = 0;;) {
      isAwake = false
      const isLong = way === "long poll" && etag !== undefined
      try {
        const found = await look(one.jobId, etag, isLong, signal)
        failures = 0
        if (found !== undefined) {
          etag = found.etag
          one.onChange?.(found.job)
          if (isEnded(found.job)) return found.job
        }
      } catch (error) {
        if (signal.aborted) throw error
        // It may be the long poll that is refused; if it is not, the next look is, too.
        if (!mayPass(error) && isLong) degrade("polling", error)
        else if (!mayPass(error)) throw error
        else if (++failures === maxFailures) {
          throw new WaitEnded(one.jobId, `when ${failures} requests in a row had failed`, error)
        } else await sleep(failureDelay(failures, error) * pace, signal)
        continue
      }
      // The gateway that is asked may know later of an end than the one that has announced it.
      if (way === "polling" || one.isDue) await sleep(pollingDelay(looks++) * pace, signal)
      else if (way === "stream" && !isAwake) {
        await new Promise<void>((resolve, reject) => {
          const abort = () => reject(signal.reason)
          signal.addEventListener("abort", abort, { once: true })
          wake = () => {
            signal.removeEventListener("abort", abort)
            resolve()
          }
        })
      }
    }
  }

  const wait = async (jobId: string, { onChange, signal, timeout = Infinity }: WaitOptions = {}): Promise<Job> => {
    const one: Waiting = { jobId, onChange, wake: () => {}, isDue: false }
    enter(one)
    try {
      return await within(timeout, signal, (signal) => ended(one, signal))
    } catch (error) {
      if (signal?.aborted) throw new WaitEnded(jobId, "when its wait was ended", signal.reason)
      if (error instanceof CallTimeout) throw new WaitEnded(jobId, `within ${timeout / 1000} s`, error)
      throw error
    } finally {
      leave(one)
    }
  }

  return { wait, way: () => way }
}
