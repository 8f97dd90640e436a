/** `akave-async job …` and `akave-async watch` */
import type { Event, Job } from "@akave-async/client/effect"
import { Effect, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { given, jobId, limit, upTo } from "../Flags.ts"
import * as Gateway from "../Gateway.ts"
import { Output } from "../Output.ts"
import { paint, plain, type Style } from "../Style.ts"
import { lines } from "../Timeline.ts"
import { ended, progressText } from "./Ending.ts"
import { show } from "./Showing.ts"

const columns = ["job_id", "operation", "bucket_name", "file_name", "status", "progress", "attempts", "created_at"]
/** A job as a row, with its progress in few words. */
const row = (job: Job) => ({ ...job, progress: progressText(job) ?? null })

const get = Command.make(
  "get",
  { jobId },
  ({ jobId }) => Gateway.use((client) => show(client.jobs.get(jobId)))
)
  .pipe(Command.withDescription("Show a job as it is now"))

const list = Command.make("list", {
  status: Flag.Literals("status", ["queued", "processing", "completed", "failed", "cancelled"]).pipe(Flag.optional),
  operation: Flag.String("operation").pipe(Flag.withDescription("Such as bucket.create"), Flag.optional),
  bucket: Flag.String("bucket").pipe(Flag.withDescription("The bucket that it works on"), Flag.optional),
  prefix: Flag.String("prefix").pipe(Flag.withDescription("What that bucket's name begins with"), Flag.optional),
  since: Flag.String("since").pipe(Flag.withDescription("Created from this time on, ISO 8601"), Flag.optional),
  until: Flag.String("until").pipe(Flag.withDescription("Created before this time"), Flag.optional),
  limit
}, ({ limit, operation, ...filter }) =>
  Gateway.use((client) => {
    // The gateway knows which operations there are.
    const query = { ...given(filter), ...given({ operation }) as { operation?: "bucket.create" } }
    const jobs = upTo(limit, (page) => client.jobs.list({ ...query, ...page }))
    return Output.use(({ flags, rows }) => rows(flags.json ? jobs : Stream.map(jobs, row), columns))
  })).pipe(Command.withDescription("List jobs, the latest first"))

const wait = Command.make(
  "wait",
  { jobId },
  ({ jobId }) =>
    Gateway.use((client) =>
      Effect.flatMap(
        client.jobs.get(jobId),
        (job) => ended(client, job, `waiting for ${job.file_name ?? job.bucket_name}`)
      )
    )
).pipe(Command.withDescription("Wait for the end of a job"))

const cancel = Command.make(
  "cancel",
  { jobId },
  ({ jobId }) => Gateway.use((client) => show(client.jobs.cancel(jobId)))
)
  .pipe(Command.withDescription("Cancel a job that is still queued, or an upload that is not done"))

/** How an event looks, by the step that its type ends with. */
const styleOfType = (type: string): Style =>
  /(AttemptFailed|Abandoned)\.v\d+$/.test(type)
    ? "yellow"
    : /Failed\.v\d+$/.test(type)
    ? "red"
    : /(Requested|Started|Submitted|Advanced)\.v\d+$/.test(type)
    ? "cyan"
    : "green"

/** An event as a line: its place, time, step and what it is about. */
const textOf = ({ correlationid = "-", sequence, subject, time = "-", type }: Event, hasColor: boolean): string => {
  const step = paint(plain(type.replace(/^akave\./, "")).padEnd(28), styleOfType(type), hasColor)
  return [plain(sequence).padStart(6), plain(time), step, plain(correlationid), plain(subject)].join("  ")
}

const events = Command.make(
  "events",
  { jobId },
  ({ jobId }) =>
    Gateway.use((client) =>
      Output.use(({ line, look }) =>
        Stream.runForEach(client.jobs.events(jobId), (event) => line(textOf(event, look.hasColor), event))
      )
    )
).pipe(Command.withDescription("Show the events of a job, as they come, until its last one"))

const explain = Command.make(
  "explain",
  { jobId },
  ({ jobId }) =>
    Gateway.use((client) =>
      Effect.flatMap(
        client.jobs.explain(jobId),
        (explanation) => Output.use(({ line, look }) => line(lines(explanation, look).join("\n"), explanation))
      )
    )
).pipe(Command.withDescription("Show how a job got where it is, what it has cost, and why it waits"))

const watch = Command.make("watch", {
  after: Flag.Int("after").pipe(
    Flag.withDescription("Begin after the event of this sequence: 0 for all there are"),
    Flag.optional
  )
}, (input) =>
  Gateway.use((client) =>
    Output.use(({ line, look, note }) =>
      Effect.andThen(
        note("following events; Ctrl-C ends it"),
        Stream.runForEach(client.events.follow(given(input)), (event) => line(textOf(event, look.hasColor), event))
      )
    )
  )).pipe(Command.withDescription("Show what happens to jobs, as it happens"))

export const job = Command.make("job").pipe(
  Command.withDescription("Accepted requests, and how far they have come"),
  Command.withSubcommands([get, explain, list, wait, cancel, events])
)
export { watch }
