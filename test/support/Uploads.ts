/** Uploads that are asked for beside the gateway: their bytes are staged, and their requests appended to the log, by the test. */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import type { Address } from "@akave-async/domain/Ethereum"
import * as File from "@akave-async/domain/File"
import { FileName } from "@akave-async/domain/FileName"
import * as Job from "@akave-async/domain/Job"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import type { EventLogShape } from "@akave-async/eventing/EventLog"
import * as FileEvents from "@akave-async/eventing/FileEvents"
import * as Stack from "@akave-async/local/Stack"
import { type AkaveClient, connect } from "@akave-async/sdk/Client"
import { ObjectId } from "@akave-async/staging/StagedObject"
import { Staging } from "@akave-async/staging/Staging"
import { Effect, Schedule, type Scope, Stream } from "effect"
import { createHash, randomUUID } from "node:crypto"
import { v7 as uuidv7 } from "uuid"

const origin = { source: "/akave/test" }
const often = Schedule.spaced("50 millis")

/** A stack's log, and the folder where files are staged for its executors. */
export interface Means {
  readonly log: EventLogShape
  readonly owner: Address
  readonly stagingDir: string
}

/** Asks for a bucket, and waits for it unless that is not wanted. */
export const bucket = Effect.fnUntraced(function*({ log, owner }: Means, name: string, options = { isAwaited: true }) {
  const bucketName = BucketName.make(name)
  const subject = Bucket.subject(owner, bucketName)
  const request = Bucket.requestCreation({ jobId: Job.Id.make(uuidv7()), name: bucketName, owner })
  yield* BucketEvents.execute(log, subject, yield* BucketEvents.load(log, subject), request, origin)
  if (!options.isAwaited) return
  yield* BucketEvents.load(log, subject).pipe(
    Effect.repeat({ until: ({ state }) => state.bucket !== undefined, schedule: often })
  )
})

export interface Asked {
  readonly jobId: Job.Id
  readonly subject: string
}

/** Stages bytes, and asks for their upload. */
export const ask = Effect.fnUntraced(function*(
  { log, owner, stagingDir }: Means,
  at: { readonly bucket: string; readonly name: string },
  bytes: Uint8Array,
  options: { readonly parityBlocks?: number; readonly replaces?: boolean } = {}
) {
  const { parityBlocks = 16, replaces = false } = options
  const staged = ObjectId.make(randomUUID())
  yield* Staging.use((staging) => staging.put(staged, Stream.succeed(bytes))).pipe(
    Effect.provide(Staging.layerFolder(stagingDir))
  )
  const [bucketName, name] = [BucketName.make(at.bucket), FileName.make(at.name)]
  const subject = File.subject(owner, bucketName, name)
  const jobId = Job.Id.make(uuidv7())
  const request = File.requestUpload({
    jobId,
    owner,
    bucketName,
    name,
    size: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    dataBlocks: 32 - parityBlocks,
    parityBlocks,
    encryption: "none",
    staged
  }, replaces ? "any" : "none")
  yield* FileEvents.execute(log, subject, yield* FileEvents.load(log, subject), request, origin)
  return { jobId, subject }
})

/** Waits until the job that was asked for has ended, and gives the file as the log has it then. */
export const ended = ({ log }: Means, { jobId, subject }: Asked) =>
  FileEvents.load(log, subject).pipe(
    Effect.map(({ state }) => state),
    Effect.repeat({
      until: ({ job }) => job?.id === jobId && Job.isTerminal(job.status),
      schedule: often
    })
  )

/** The SDK, with a wallet that is not the executors'. */
export const client = (stack: Stack.Stack): Effect.Effect<AkaveClient, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => connect({ nodeAddress: stack.nodeAddress, privateKey: Stack.publicDevelopmentKey })),
    (client) => Effect.promise(() => client.close())
  )

/** The bytes of a file, as the network has them. */
export const contentOf = (client: AkaveClient, bucket: string, name: string) =>
  Effect.promise(async () => {
    const { bytes } = await client.open(bucket, name)
    return new Uint8Array(await new Response(bytes).arrayBuffer())
  })
