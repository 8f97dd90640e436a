/** The routes of events: pages as JSON, and live streams. */
import { Api } from "@akave-async/api/Api"
import { Caller, tenantOf } from "@akave-async/api/Caller"
import * as Job from "@akave-async/domain/Job"
import * as Webhook from "@akave-async/domain/Webhook"
import * as CloudEventJson from "@akave-async/eventing/CloudEventJson"
import { EventLog, type StoredEvent } from "@akave-async/eventing/EventLog"
import { type Current, evolveJob, subjectOf } from "@akave-async/eventing/JobEvents"
import { ofOwner } from "@akave-async/eventing/Recent"
import { Tail } from "@akave-async/eventing/Tail"
import type * as Archive from "@akave-async/read-model/Archive"
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import * as EventStream from "./EventStream.ts"
import type { Jobs } from "./Jobs.ts"
import { findJob } from "./JobsHttp.ts"
import * as Past from "./Past.ts"
import * as Restorations from "./Restorations.ts"
import { eventsUnavailable } from "./Unavailable.ts"

interface Asked {
  readonly query: { readonly after?: number; readonly limit: number }
  readonly headers: { readonly accept?: string; readonly "last-event-id"?: string }
}

const isLive = ({ headers }: Asked) => headers.accept?.toLowerCase().includes("text/event-stream") === true

/** Those of a caller are looked for in so many pages of its wallet's events, of so many each, before a page is answered. */
const maxPages = 10
const pageSize = 1_000

const page = (events: ReadonlyArray<StoredEvent>, next: number | null) => {
  return HttpServerResponse.text(`{"events":[${events.map(CloudEventJson.toJson).join(",")}],"next":${next}}`, {
    contentType: "application/json",
    headers: { vary: "accept" }
  })
}

/** Whether an event is one of the caller's account, and not of its webhooks. */
const isOf = (caller: Caller["Service"]) => ({ headers, subject }: StoredEvent): boolean =>
  headers["ce-account"] === tenantOf(caller).tenant && !subject.startsWith(`${Webhook.kind}.`)

/** A page of at most so many events, which is full unless these are all, and where the next one begins. */
const upTo = (events: ReadonlyArray<StoredEvent>, limit: number) => {
  const first = events.slice(0, limit)
  return page(first, events.length > limit ? first.at(-1)?.sequence ?? null : null)
}

/** Of the events of a subject those of one job, up to its end. */
const ofJob = (known: Current): EventStream.Select => {
  let current = known
  return (events) => {
    const own = events.filter(({ headers }) => headers["ce-correlationid"] === current.job.id)
    current = evolveJob(current.job.id, current, own) ?? current
    const isLatest = (own.at(-1)?.sequence ?? 0) >= current.revision
    return { events: own, isEnd: isLatest && Job.isTerminal(current.job.status) }
  }
}

export const EventsHttp = HttpApiBuilder.group(
  Api,
  "events",
  Effect.fnUntraced(function*(handlers) {
    const log = yield* EventLog
    const tail = yield* Tail
    const restorations = yield* Restorations.make
    const context = yield* Effect.context<Jobs | EventLog | Archive.Database>()
    /** The last event that the client has, if it says so. */
    const lastSeen = ({ headers, query }: Asked) => {
      const last = headers["last-event-id"] ?? query.after
      return last === undefined ? Effect.as(restorations.ready, undefined) : restorations.seenAt(last)
    }

    const streams = { tail, idOf: restorations.idOf }

    return handlers.handleAll({
      list: Effect.fnUntraced(function*(request) {
        const caller = yield* Caller
        const filter = ofOwner(caller.owner)
        const last = yield* lastSeen(request)
        if (isLive(request)) {
          const select: EventStream.Select = (events) => ({ events: events.filter(isOf(caller)), isEnd: false })
          const from = last === undefined ? yield* tail.next : last + 1
          return EventStream.answer(streams, caller, filter, from, select)
        }
        const { limit } = request.query
        const found: Array<StoredEvent> = []
        let seen = last ?? 0
        // Those of other accounts of the wallet lie between.
        for (let n = 0; n < maxPages && found.length <= limit; n++) {
          const size = n === 0 ? limit + 1 : pageSize
          const events = yield* log.page(filter, seen + 1, size)
          found.push(...events.filter(isOf(caller)))
          seen = events.at(-1)?.sequence ?? seen
          if (events.length < size) return upTo(found, limit)
        }
        return found.length > limit ? upTo(found, limit) : page(found, seen)
      }, Effect.catchTags({ LogUnavailable: eventsUnavailable })),
      ofJob: Effect.fnUntraced(function*(request) {
        const current = yield* Effect.provideContext(findJob(request.params.job_id), context)
        const { job: { status }, revision } = current
        const last = (yield* lastSeen(request)) ?? 0
        const events = Effect.map(
          Effect.provideContext(Past.eventsOf(current), context),
          (all) => all.filter(({ sequence }) => sequence > last)
        )
        if (!isLive(request)) return upTo(yield* events, request.query.limit)
        // A client that has the last event would come back for ever.
        if (Job.isTerminal(status) && last >= revision) return HttpServerResponse.empty({ status: 204 })
        return (yield* Effect.provideContext(Past.isPast(current), context))
          ? EventStream.ended(yield* events, streams)
          : EventStream.answer(streams, yield* Caller, subjectOf(current.job), last + 1, ofJob(current))
      }, Effect.catchTags({ LogUnavailable: eventsUnavailable }))
    })
  })
)
