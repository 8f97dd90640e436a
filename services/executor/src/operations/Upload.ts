/**
 * Uploads: a staged file goes to the network part by part. What the chain shows decides what a part has left to do, so that any
 * executor carries on from wherever another one has come to.
 */
import * as Bucket from "@akave-async/domain/Bucket"
import { RootCid } from "@akave-async/domain/Ethereum"
import * as File from "@akave-async/domain/File"
import * as Job from "@akave-async/domain/Job"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import { EventLog } from "@akave-async/eventing/EventLog"
import { isIndexChanged } from "@akave-async/sdk/Buckets"
import { Chain } from "@akave-async/sdk/Chain"
import { rawLength } from "@akave-async/sdk/encoding/ChunkCodec"
import * as Dag from "@akave-async/sdk/encoding/Dag"
import { RpcError } from "@akave-async/sdk/Errors"
import { FileContract, isRefusedAs, type OnChainFile } from "@akave-async/sdk/files/FileContract"
import { ObjectId } from "@akave-async/staging/StagedObject"
import { Staging } from "@akave-async/staging/Staging"
import { Clock, Config, Duration, Effect, Fiber, Option, Schema } from "effect"
import { PartFailed } from "../Failures.ts"
import { waitsFor } from "../Lane.ts"
import { type Done, forJobs, type Operation, type Refusal } from "../Operation.ts"
import { placeOf } from "./FilePlace.ts"
import { doneSince } from "./Found.ts"
import * as StagedChunks from "./StagedChunks.ts"

/** How often it is seen whether the nodes have recorded all blocks on chain. */
const lookInterval = Duration.seconds(1)
/** Blocks are sent again when none more was recorded for this long, and the attempt has failed after that often. */
const [fillPatience, fillTries] = [Duration.seconds(20), 4]
/** Chunks of a file whose blocks are sent again at a time. */
const chunksAtOnce = 2

/** The chain's node shows less than what is known to be mined. */
const stale = (details: string) => new RpcError({ method: "eth_call", code: "STALE", details })

/** The roots of all chunks, as the chain has them, with what their blocks carry. */
const rootOf = ({ request }: File.Upload, { chunks }: OnChainFile) => {
  const coding = { dataBlocks: request.dataBlocks, parityBlocks: request.parityBlocks }
  const [full, all] = [File.chunkLength(request), File.stagedSize(request)]
  return Dag.fileRoot(
    chunks.map(({ cid, encodedSize }, index) => ({
      cid,
      encodedSize,
      rawSize: rawLength(Math.min(full, all - index * full), { index, coding })
    }))
  )
}
const encodedSizeOf = ({ chunks }: OnChainFile) => chunks.reduce((sum, { encodedSize }) => sum + encodedSize, 0)

// oxlint-disable-next-line max-lines-per-function -- its parts share the file and its chunks
export const make = Effect.gen(function*() {
  const chain = yield* Chain
  const contract = yield* FileContract
  const log = yield* EventLog
  const staging = yield* Staging
  const chunks = yield* StagedChunks.make
  const scope = yield* Effect.scope
  const leastRate = yield* Config.schema(Schema.Int.check(Schema.isGreaterThan(0)), "UPLOAD_LEAST_RATE").pipe(
    Config.withDefault(500_000)
  )
  /** What is stored beside the next part, by job: the chunk of the last one. */
  const storing = new Map<Job.Id, Array<Fiber.Fiber<void>>>()

  const onChain = (job: File.Upload) =>
    Effect.flatMap(contract.onChain(placeOf(job)), (file) =>
      Option.isSome(file)
        ? Effect.succeed(file.value)
        : Effect.fail(stale(`the chain's node does not show the file that job ${job.id} has begun`)))

  const allBlocks = (job: File.Upload) =>
    Array.from({ length: job.request.dataBlocks + job.request.parityBlocks }, (_, n) => n)

  /** Has the nodes store a chunk that is on chain, beside what the job does next. What fails is done before the commit. */
  const storeBeside = Effect.fnUntraced(function*(job: File.Upload, index: number) {
    const fiber = yield* chunks.store(job, index, allBlocks(job)).pipe(
      Effect.catch(({ message }) =>
        Effect.logWarning(message).pipe(Effect.annotateLogs({ jobId: job.id, chunk: index }))
      ),
      Effect.forkIn(scope)
    )
    storing.set(job.id, [...storing.get(job.id) ?? [], fiber])
  })
  const stored = (job: File.Upload) =>
    Effect.suspend(() => {
      const fibers = storing.get(job.id) ?? []
      storing.delete(job.id)
      return Effect.forEach(fibers, Fiber.await, { discard: true })
    })
  const stop = (job: File.Upload) =>
    Effect.suspend(() => {
      const fibers = storing.get(job.id) ?? []
      storing.delete(job.id)
      return Effect.forEach(fibers, Fiber.interrupt, { discard: true })
    })

  /** The blocks of each chunk that no node has recorded on chain. */
  const unfilled = (job: File.Upload, file: OnChainFile) => {
    const coding = { dataBlocks: job.request.dataBlocks, parityBlocks: job.request.parityBlocks }
    const [full, all] = [File.chunkLength(job.request), File.stagedSize(job.request)]
    return file.chunks.flatMap(({ filled }, index) => {
      const payload = rawLength(Math.min(full, all - index * full), { index, coding })
      const count = coding.parityBlocks > 0 ? 32 : Math.ceil(payload / 1_000_000)
      const missing = Array.from({ length: count }, (_, n) => n).filter((n) => ((filled >>> n) & 1) === 0)
      return missing.length === 0 ? [] : [{ index, missing }]
    })
  }

  /** Waits until the nodes have recorded all blocks on chain, and has them store again what they don't. */
  const filled = Effect.fnUntraced(function*(job: File.Upload) {
    yield* waitsFor("waits for the nodes to take the blocks of its chunks")
    yield* stored(job)
    let [fewest, since, tries] = [Infinity, yield* Clock.currentTimeMillis, 0]
    while (true) {
      const file = yield* onChain(job)
      const missing = unfilled(job, file)
      const left = missing.reduce((sum, { missing }) => sum + missing.length, 0)
      if (left === 0) return file
      yield* waitsFor(`waits for the nodes to record ${left} blocks on chain`)
      const now = yield* Clock.currentTimeMillis
      if (left < fewest) [fewest, since] = [left, now]
      else if (now - since > Duration.toMillis(fillPatience)) {
        if (tries++ === fillTries) {
          return yield* new PartFailed({
            failure: {
              category: "network",
              code: "BlocksNotFilled",
              message: `Nodes have not recorded ${left} blocks`
            },
            isRetryable: true
          })
        }
        yield* Effect.forEach(missing, ({ index, missing }) => chunks.store(job, index, missing), {
          concurrency: chunksAtOnce,
          discard: true
        })
        since = yield* Clock.currentTimeMillis
      }
      yield* Effect.raceFirst(chain.newHead, Effect.sleep(lookInterval))
    }
  })

  const commit = Effect.fnUntraced(function*(job: File.Upload) {
    const file = yield* filled(job)
    const count = File.chunkCount(job.request)
    if (file.chunks.length !== count) return yield* stale(`the file has ${file.chunks.length} chunks, not ${count}`)
    const rootCid = rootOf(job, file)
    const sizes = { actualSize: job.request.size, encodedSize: encodedSizeOf(file) }
    return yield* contract.prepareCommit({ ...placeOf(job), rootCid, ...sizes })
  })

  /**
   * What the job has created is there until a transaction is known that has deleted it: the chain's node may show an older state. A
   * committed file is what somebody else has stored: it is left.
   */
  const undo = Effect.fnUntraced(function*(job: File.Upload) {
    yield* stop(job)
    const done = Job.doneOf(job)
    if (done === undefined || done === "delete") return { done: { adopted: true } }
    const file = yield* contract.onChain(placeOf(job))
    const isCommitted = Option.isSome(file) && Option.isSome(file.value.rootCid)
    return isCommitted ? { done: { adopted: true } } : yield* contract.prepareDelete(placeOf(job))
  })

  const prepare: Operation<File.Upload>["prepare"] = Effect.fnUntraced(function*(job, part) {
    if (part === "delete") return yield* contract.prepareDelete(placeOf(job))
    if (part === "create") return yield* contract.prepareCreate(placeOf(job))
    if (part === Job.undo) return yield* undo(job)
    const index = File.chunkOf(part)
    const before = (index ?? File.chunkCount(job.request)) - 1
    if (before >= 0 && Job.doneOf(job) === File.chunkPart(before)) yield* storeBeside(job, before)
    if (index === undefined) return yield* commit(job)
    yield* waitsFor(`encodes chunk ${index} of ${File.chunkCount(job.request)}`)
    const chunk = yield* chunks.describe(job, index)
    return yield* contract.prepareChunk({ ...placeOf(job), chunk, gasBound: Option.none() })
  })

  /** Whether the chain has this chunk of the file in its place. */
  const hasChunk = Effect.fnUntraced(function*(job: File.Upload, index: number, file: OnChainFile) {
    const found = file.chunks[index]
    return found !== undefined && found.cid === (yield* chunks.describe(job, index)).cid
  })

  /** Whether a file that is there is this one, or the beginning of it. */
  const isOurs = Effect.fnUntraced(function*(job: File.Upload) {
    const file = yield* onChain(job)
    const isOther = file.chunks.length > 0 && !(yield* hasChunk(job, 0, file))
    return !isOther && (Option.isNone(file.rootCid) || file.rootCid.value === rootOf(job, file))
  })

  const isThere = (refusal: Refusal, part: Job.Part): boolean => {
    if (part === "delete" || part === Job.undo) return isRefusedAs(refusal, "FileNotExists")
    if (part === "create") return isRefusedAs(refusal, "FileAlreadyExists")
    if (part === "commit") return isRefusedAs(refusal, "FileFullyUploaded")
    return (["FileChunkDuplicate", "LastChunkDuplicate", "FileFullyUploaded"] as const).some((name) =>
      isRefusedAs(refusal, name)
    )
  }

  const adopt: Operation<File.Upload>["adopt"] = Effect.fnUntraced(
    function*(job, part, refusal, own, since) {
      if (!isThere(refusal, part)) return Option.none()
      const { id } = placeOf(job)
      if (part === "delete" || part === Job.undo) {
        return Option.some(yield* doneSince(yield* contract.lastTransaction("delete", id), own, since))
      }
      const index = File.chunkOf(part)
      if (index !== undefined) {
        return (yield* hasChunk(job, index, yield* onChain(job))) ? Option.some<Done>({ adopted: true }) : Option.none()
      }
      if (!(yield* isOurs(job))) return Option.none()
      const did = part === "create" ? "create" : "commit"
      return Option.some(yield* doneSince(yield* contract.lastTransaction(did, id), own, 0))
    }
  )

  const holds: Operation<File.Upload>["holds"] = Effect.fnUntraced(function*(job, part, block) {
    const file = yield* contract.onChain(placeOf(job), block)
    if (part === "delete" || part === Job.undo) return Option.isNone(file)
    if (Option.isNone(file)) return false
    if (part === "create") return true
    const index = File.chunkOf(part)
    return index === undefined ? Option.isSome(file.value.rootCid) : file.value.chunks.length > index
  })

  /** Whether a job that is under way creates the bucket. */
  const isBucketComing = ({ owner, request }: File.Upload) =>
    BucketEvents.load(log, Bucket.subject(owner, request.bucketName)).pipe(
      Effect.map(({ state: { job } }) => job?.operation === "bucket.create" && !Job.isTerminal(job.status)),
      Effect.orElseSucceed(() => true)
    )

  const upload: Operation<File.Upload> = {
    parts: (job) => File.uploadParts(job.request),
    prepare,
    adopt,
    holds,
    canUndo: true,
    result: Effect.fnUntraced(function*(job, done) {
      const file = yield* onChain(job)
      if (Option.isNone(file.rootCid)) return yield* stale("the chain's node does not show the commit of the file")
      const rootCid = RootCid.make(file.rootCid.value)
      return { fileId: placeOf(job).id, rootCid, encodedSize: file.encodedSize, ...done }
    }),
    isTemporary: (refusal, job) => {
      if (isIndexChanged(refusal) || isRefusedAs(refusal, "FileNotFilled")) return Effect.succeed(true)
      return isRefusedAs(refusal, "BucketNonexists") ? isBucketComing(job) : Effect.succeed(false)
    },
    extraTime: ({ request: { size } }) => Duration.seconds(size / leastRate),
    // What is not removed is swept by a gateway.
    ended: (job) => Effect.andThen(stop(job), Effect.ignore(staging.remove(ObjectId.make(job.request.staged))))
  }
  return { "file.upload": forJobs(upload) }
})
