/** `akave-async file …` */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { duration, limit, upTo } from "../Flags.ts"
import * as Gateway from "../Gateway.ts"
import { Output } from "../Output.ts"
import { ended, showJob } from "./Ending.ts"
import { bucket, fileName } from "./FileFlags.ts"
import { get } from "./FileGet.ts"
import { putCommand } from "./FilePut.ts"
import { show } from "./Showing.ts"

const noWait = Flag.Boolean("no-wait").pipe(
  Flag.withDescription("Print the job at once, and leave it to itself"),
  Flag.withDefault(false)
)
const network = Flag.Boolean("network").pipe(
  Flag.withDescription("Ask the network in place of the gateway's own records"),
  Flag.withDefault(false)
)

const list = Command.make("list", {
  bucket,
  prefix: Flag.String("prefix").pipe(Flag.withDescription("What the names begin with"), Flag.optional),
  network,
  limit
}, ({ bucket, limit, network, prefix }) =>
  Gateway.use((client) =>
    Output.use(({ rows }) => {
      const query = {
        ...(Option.isSome(prefix) ? { prefix: prefix.value } : {}),
        ...(network ? { source: "network" as const } : {})
      }
      const files = upTo(limit, (page) => client.files.list(bucket, { ...query, ...page }))
      return rows(files, ["file_name", "size", "content_type", "encryption", "created_at", "root_cid"])
    })
  )).pipe(Command.withDescription("List the files of a bucket, by name"))

const info = Command.make(
  "info",
  { bucket, name: fileName, network },
  ({ bucket, name, network }) =>
    Gateway.use((client) => show(client.files.info(bucket, name, network ? { source: "network" } : {})))
).pipe(Command.withDescription("Show what is known of a file"))

const rm = Command.make(
  "rm",
  { bucket, name: fileName, noWait },
  ({ bucket, name, noWait }) =>
    Gateway.use((client) =>
      Effect.gen(function*() {
        const job = yield* client.files.submitDelete(bucket, name)
        if (noWait) return yield* showJob(job)
        return yield* ended(client, job, `deleting ${name}`)
      })
    )
).pipe(Command.withDescription("Delete a file, and wait until it is gone"))

const access = Command.make("access", {
  bucket,
  name: fileName,
  to: Argument.Literals("who", ["public", "private"]).pipe(
    Argument.withDescription("public: everybody may read it from the network; private: nobody else")
  ),
  noWait
}, ({ bucket, name, noWait, to }) =>
  Gateway.use((client) =>
    Effect.gen(function*() {
      const job = yield* client.files.submitAccess(bucket, name, { is_public: to === "public" })
      if (noWait) return yield* showJob(job)
      return yield* ended(client, job, `changing ${name}`)
    })
  )).pipe(Command.withDescription("Say who may read a file"))

const link = Command.make("link", {
  bucket,
  name: fileName,
  keep: duration("keep").pipe(
    Flag.withDescription("For how long the link leads to the file, from 1m to 7d: 1h unless given"),
    Flag.withDefault(3_600_000)
  )
}, ({ bucket, keep, name }) =>
  Gateway.use((client) =>
    Effect.gen(function*() {
      const output = yield* Output
      const { within } = yield* Gateway.Gateway
      const request = client.files.requestDownload(bucket, name, { keepSeconds: Math.round(keep / 1_000) })
      const job = yield* within(output.during(`fetching ${name}`, () => "", request))
      const url = `${client.url}${job.result?.url}`
      yield* output.line(url, { file_name: name, url, expires_at: job.result?.expires_at, job_id: job.job_id })
    })
  )).pipe(Command.withDescription("Have a file fetched to the gateway, and print a link to it that ends after a time"))

export const file = Command.make("file").pipe(
  Command.withDescription("Files of buckets"),
  Command.withSubcommands([putCommand, get, list, info, rm, access, link])
)
