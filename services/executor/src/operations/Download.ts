/** Downloads: a file of the network goes to the staging store, encrypted where it is encrypted there. */
import type * as Download from "@akave-async/domain/Download"
import type * as Job from "@akave-async/domain/Job"
import type * as SdkDownload from "@akave-async/sdk/files/Download"
import * as Reading from "@akave-async/sdk/files/Download"
import { ObjectId } from "@akave-async/staging/StagedObject"
import { Staging } from "@akave-async/staging/Staging"
import { DateTime, Duration, Effect, Option, Stream } from "effect"
import { PartFailed } from "../Failures.ts"
import { waitsFor } from "../Lane.ts"
import { forJobs, type Operation } from "../Operation.ts"
import { stagingFailed } from "./StagedChunks.ts"

type ReadError =
  | Effect.Error<ReturnType<Effect.Success<typeof Reading.make>>>
  | (Effect.Success<ReturnType<Effect.Success<typeof Reading.make>>> extends SdkDownload.OpenedFile<infer E> ? E
    : never)

/** Why the network does not give the file. */
const readFailed = (error: ReadError): PartFailed => {
  const { _tag: code, message } = error
  const isRetryable = "isRetryable" in error && error.isRetryable
  const category: Job.ErrorCategory = isRetryable ? "network" : code === "FileNotFound" ? "conflict" : "internal"
  return new PartFailed({ failure: { category, code, message }, isRetryable })
}

export const make = Effect.gen(function*() {
  const open = yield* Reading.make
  const staging = yield* Staging

  const fetch = Effect.fnUntraced(function*(job: Download.DownloadJob) {
    const { owner, request: { bucketName, keepSeconds, name, nameOnWire = name, staged, rootCid } } = job
    const id = ObjectId.make(staged)
    yield* waitsFor("waits for the network to give the file")
    const file = yield* open({
      bucketName,
      name,
      onWire: { bucketName, name: nameOnWire, owner },
      options: { isSealed: true }
    }).pipe(Effect.mapError(readFailed))
    if (`${file.rootCid}` !== rootCid) {
      const message = `The file has the root ${file.rootCid} now, and not ${rootCid}`
      return yield* new PartFailed({
        failure: { category: "conflict", code: "FileChanged", message },
        isRetryable: false
      })
    }
    // What another attempt has stored is whole.
    if (Option.isNone(yield* staging.stat(id).pipe(Effect.mapError(stagingFailed)))) {
      yield* staging.put(id, Stream.mapError(file.bytes, readFailed)).pipe(
        Effect.catchTag(["StagingFull", "StagingUnavailable"], (error) => Effect.fail(stagingFailed(error)))
      )
    }
    const expiresAt = DateTime.addDuration(yield* DateTime.now, Duration.seconds(keepSeconds))
    return { expiresAt, adopted: false }
  })

  const download: Operation<Download.DownloadJob> = {
    parts: () => [],
    work: fetch,
    prepare: () => Effect.die(new Error("a download has no transaction")),
    result: () => Effect.die(new Error("a download has no transaction")),
    adopt: () => Effect.succeedNone,
    holds: () => Effect.succeed(false),
    isTemporary: () => Effect.succeed(false)
  }
  return { "file.download": forJobs(download) }
})
