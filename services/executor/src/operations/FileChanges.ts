/** The operations on files that are there: their deletion, and changes of who may read them. */
import type * as File from "@akave-async/domain/File"
import * as Job from "@akave-async/domain/Job"
import { isIndexChanged } from "@akave-async/sdk/Buckets"
import { FileContract, isRefusedAs } from "@akave-async/sdk/files/FileContract"
import { Effect, Option } from "effect"
import { forJobs, type Operation } from "../Operation.ts"
import { placeOf } from "./FilePlace.ts"
import { doneSince } from "./Found.ts"

type JobOf<Of extends File.FileJob["operation"]> = Extract<File.FileJob, { readonly operation: Of }>

export const make = Effect.gen(function*() {
  const contract = yield* FileContract

  const remove: Operation<JobOf<"file.delete">> = {
    parts: () => [Job.whole],
    prepare: (job) => contract.prepareDelete(placeOf(job)),
    result: (job, done) => Effect.succeed({ fileId: placeOf(job).id, ...done }),
    holds: (job, _, block) => Effect.map(contract.onChain(placeOf(job), block), Option.isNone),
    // A node that does not know of the file yet says the same as one that has seen it deleted.
    adopt: Effect.fnUntraced(function*(job, _, refusal, own, since) {
      if (!isRefusedAs(refusal, "FileNotExists")) return Option.none()
      return Option.some(yield* doneSince(yield* contract.lastTransaction("delete", placeOf(job).id), own, since))
    }),
    isTemporary: (refusal) => Effect.succeed(isIndexChanged(refusal))
  }

  const setAccess: Operation<JobOf<"file.access">> = {
    parts: () => [Job.whole],
    prepare: (job) => contract.preparePublicAccess({ ...placeOf(job), isPublic: job.request.isPublic }),
    result: (job, done) => Effect.succeed({ fileId: placeOf(job).id, isPublic: job.request.isPublic, ...done }),
    // The contract takes it as often as it is sent.
    holds: () => Effect.succeed(false),
    adopt: () => Effect.succeedNone,
    isTemporary: () => Effect.succeed(false)
  }

  return { "file.delete": forJobs(remove), "file.access": forJobs(setAccess) }
})
