import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, DateTime, Effect, Result, Schema } from "effect"
import { Address } from "../src/Ethereum.ts"
import * as File from "../src/File.ts"
import * as Job from "../src/Job.ts"
import {
  asked,
  bucketName,
  commandFor,
  content,
  type Decide,
  fileId,
  fileName as name,
  hash,
  jobIdOf,
  otherRoot,
  owner,
  root
} from "./FileHistory.ts"

const [first, second, third] = [jobIdOf(1), jobIdOf(2), jobIdOf(3)]
const now = DateTime.makeUnsafe("2026-11-27T10:00:00Z")

const upload = (jobId: Job.Id, precondition: File.Precondition = "none", tenant?: string) =>
  File.requestUpload({ ...asked(jobId, tenant), ...content }, precondition)

const decided = (state: File.State, decide: Decide): ReadonlyArray<File.Event> => Result.getOrThrow(decide(state, now))
const after = (state: File.State, ...all: ReadonlyArray<Decide>): File.State =>
  all.reduce((state, decide) => decided(state, decide).reduce(File.evolve, state), state)
const refusal = (state: File.State, decide: Decide<{ readonly _tag: string }>): string | undefined => {
  const result = decide(state, now)
  return Result.isFailure(result) ? result.failure._tag : undefined
}
const done = { transactionHash: hash, blockNumber: 7, adopted: false }
const started = (jobId: Job.Id): Decide => File.onJob(Job.startAttempt(jobId))
const advanced = (jobId: Job.Id, part: Job.Part): Decide => File.onJob(Job.advance({ jobId, part, ...done }))
const uploaded = (jobId: Job.Id, rootCid = root): Decide =>
  File.onJob(Job.complete({ jobId, ...done, own: { fileId, rootCid, encodedSize: 80_000_000 } }))
const completed = (jobId: Job.Id, own: Readonly<Record<string, unknown>> = { fileId }): Decide =>
  File.onJob(Job.complete({ jobId, ...done, own }))

const there = after(File.initial, upload(first), started(first), uploaded(first))

describe("an upload", () => {
  it("is asked for where there is no file", () => {
    const [event] = decided(File.initial, upload(first))
    assert.deepInclude(event, { _tag: "FileUploadRequested", replaces: false, size: 40_000_000 })
    const state = after(File.initial, upload(first))
    // The same request once more is the same job.
    assert.deepStrictEqual(decided(state, upload(first)), [])
    assert.strictEqual(refusal(state, upload(second)), "FileBusy")
    assert.strictEqual(refusal(state, upload(second, "none", "acme")), "FileNameTaken")
  })

  it("leaves a file that says how it is stored", () => {
    assert.deepInclude(there.file, { id: fileId, rootCid: root, size: 40_000_000, isPublic: false, jobId: first })
    assert.isFalse("staged" in (there.file ?? {}))
  })

  it("of a file that is there is refused, unless it is to be replaced", () => {
    assert.strictEqual(refusal(there, upload(second)), "FileExists")
    assert.strictEqual(refusal(there, upload(second, [otherRoot])), "FileChanged")
    for (const precondition of ["any", [root]] as const) {
      assert.deepInclude(decided(there, upload(second, precondition))[0], { replaces: true })
    }
    assert.strictEqual(refusal(File.initial, upload(first, [root])), "FileChanged")
    assert.deepInclude(decided(File.initial, upload(first, "any"))[0], { replaces: false })
  })

  it("that replaces a file leaves none once that is deleted, whatever follows", () => {
    const replacing = after(there, upload(second, "any"), started(second))
    assert.strictEqual(replacing.file?.rootCid, root)
    const deleted = after(replacing, advanced(second, "delete"))
    assert.isUndefined(deleted.file)
    const failed = after(deleted, File.onJob(Job.fail({ jobId: second, error })))
    assert.isUndefined(failed.file)
    assert.isTrue(File.hasEnded(failed))
    assert.strictEqual(after(deleted, uploaded(second, otherRoot)).file?.rootCid, otherRoot)
  })

  it("that fails before it has deleted anything leaves the file that was there", () => {
    const failed = after(there, upload(second, "any"), started(second), File.onJob(Job.fail({ jobId: second, error })))
    assert.strictEqual(failed.file?.rootCid, root)
  })

  it("of an earlier request that others have followed is over", () => {
    const gone = after(there, File.requestDeletion(asked(second)), started(second), completed(second))
    assert.strictEqual(refusal(gone, upload(first)), "JobOver")
  })
})
const error: Job.Failure = { category: "internal", code: "Some", message: "it went wrong" }

describe("a file", () => {
  it("is deleted, and is gone then", () => {
    assert.strictEqual(refusal(File.initial, File.requestDeletion(asked(first))), "FileMissing")
    assert.strictEqual(refusal(there, File.requestDeletion(asked(second), [otherRoot])), "FileChanged")
    // Who may not know of it finds none.
    assert.strictEqual(refusal(there, File.requestDeletion(asked(second, "acme"))), "FileMissing")
    const gone = after(there, File.requestDeletion(asked(second), [root]), started(second), completed(second))
    assert.isUndefined(gone.file)
    assert.isTrue(File.hasEnded(gone))
    assert.isFalse(File.hasEnded(there))
  })

  it("may be read by everybody once that is said", () => {
    const request = File.requestAccess({ ...asked(second), isPublic: true })
    const shared = after(there, request, started(second), completed(second, { fileId, isPublic: true }))
    assert.isTrue(shared.file?.isPublic)
    assert.strictEqual(refusal(File.initial, request), "FileMissing")
  })

  it("has a subject that its names can be read from", () => {
    const subject = File.subject(owner, bucketName, name)
    assert.strictEqual(subject, `file.${owner.toLowerCase()}.my_bucket.cGhvdG9zL2NhdC5qcGc`)
    assert.deepStrictEqual(File.partsOf(subject), { owner: Address.make(owner.toLowerCase()), bucketName, name })
  })
})

describe("a job that is under way", () => {
  const cancel = (jobId: Job.Id) => File.cancel({ jobId, cancelledBy: "a client", reason: "no more" })
  const underWay = after(File.initial, upload(first), started(first), advanced(first, "create"))

  it("is cancelled at once while it is queued", () => {
    const state = after(File.initial, upload(first), cancel(first))
    assert.strictEqual(state.job?.status, "cancelled")
  })

  it("is abandoned where it is an upload, and ends once it has taken back what it did", () => {
    const abandoned = after(underWay, cancel(first))
    assert.deepInclude(abandoned.job, { status: "processing", done: "create" })
    assert.strictEqual(Job.abandonedOf(abandoned.job as Job.Job)?.cancelledBy, "a client")
    assert.deepStrictEqual(decided(abandoned, cancel(first)), [])
    const ended = after(abandoned, File.onJob(Job.endAbandoned(first)))
    assert.strictEqual(ended.job?.status, "cancelled")
    // What was under way may have been its last part.
    assert.strictEqual(after(abandoned, uploaded(first)).job?.status, "completed")
  })

  it("is failed by what it was abandoned for", () => {
    const abandoned = after(underWay, File.onJob(Job.abandon({ jobId: first, error })))
    const ended = after(abandoned, File.onJob(Job.endAbandoned(first)))
    assert.deepInclude(ended.job, { status: "failed", error })
    assert.strictEqual(refusal(underWay, File.onJob(Job.endAbandoned(first))), "OutOfOrder")
  })

  it("can't be cancelled where it takes nothing back", () => {
    const deleting = after(there, File.requestDeletion(asked(second)), started(second))
    assert.strictEqual(refusal(deleting, cancel(second)), "TooLateToCancel")
    assert.strictEqual(refusal(deleting, cancel(third)), "JobOver")
  })

  it("is advanced once by each part", () => {
    assert.deepStrictEqual(decided(underWay, advanced(first, "create")), [])
    assert.strictEqual(
      refusal(after(File.initial, upload(first)), File.onJob(Job.advance({ jobId: first, part: "create", ...done }))),
      "OutOfOrder"
    )
  })
})

describe("the parts of an upload", () => {
  const request = { ...content, bucketName, name, replaces: false }
  it.each(
    [
      [1, "none", 1, 1],
      [16_000_000, "none", 1, 16_000_000],
      [16_000_001, "none", 2, 16_000_001],
      [15_999_972, "account", 1, 16_000_000],
      [15_999_973, "account", 2, 16_000_029],
      [40_000_000, "client", 3, 40_000_084]
    ] as const
  )("of %i bytes with encryption %s are %i chunks, and %i bytes are staged", (size, encryption, chunks, staged) => {
    const of = { ...request, size, encryption }
    assert.strictEqual(File.chunkCount(of), chunks)
    assert.strictEqual(File.stagedSize(of), staged)
    assert.deepStrictEqual(File.uploadParts(of), [
      "create",
      ...Array.from({ length: chunks }, (_, n) => `chunk.${n}`),
      "commit"
    ])
  })

  it("without parity are chunks of 32 MB", () => {
    const of = { ...request, dataBlocks: 32, parityBlocks: 0, size: 32_000_001 }
    assert.strictEqual(File.chunkCount(of), 2)
  })

  it("begin with a deletion where a file is replaced", () => {
    assert.strictEqual(File.uploadParts({ ...request, replaces: true })[0], "delete")
  })

  it("say how many bytes are done", () => {
    const bytesAfter = (...parts: ReadonlyArray<Job.Part>) => {
      const { job } = after(File.initial, upload(first), started(first), ...parts.map((part) => advanced(first, part)))
      return File.bytesDone(job as File.Upload)
    }
    assert.deepStrictEqual(
      [
        bytesAfter(),
        bytesAfter("create"),
        bytesAfter("create", "chunk.0"),
        bytesAfter("chunk.0", "chunk.1", "chunk.2")
      ],
      [0, 0, 16_000_000, 40_000_000]
    )
    assert.strictEqual(File.bytesDone(there.job as File.Upload), 40_000_000)
  })
})

const JobJson = Schema.toCodecJson(File.FileJob)
it.effect("reads its jobs back as they were", () =>
  Effect.gen(function*() {
    const states = [
      there,
      after(there, File.requestDeletion(asked(second))),
      after(File.initial, upload(first), started(first), advanced(first, "create"))
    ]
    for (const { job } of states) {
      if (job === undefined) continue
      const encoded = yield* Schema.encodeEffect(JobJson)(job)
      assert.deepStrictEqual(yield* Schema.decodeUnknownEffect(JobJson)(JSON.parse(JSON.stringify(encoded))), job)
    }
  }))

/** What must be so of an event that follows in this state, and of the state after it. */
const checkLegal = (before: File.State, event: File.Event, state: File.State): void => {
  const { operation, step } = File.stepOf(event)
  const { file, job } = before
  if (step === "requested") {
    assert.isTrue(job === undefined || Job.isTerminal(job.status), "two jobs are live at once")
    if (operation === "file.upload") assert.strictEqual((event as File.Upload["request"]).replaces, file !== undefined)
    else assert.isDefined(file, "a job on a file that is not there")
  } else {
    assert.strictEqual(event.jobId, job?.id, "an event of another job than the live one")
    assert.isFalse(job !== undefined && Job.isTerminal(job.status), "a job that has ended gets an event")
  }
  assert.deepStrictEqual([state.job?.id, state.job?.operation], [event.jobId, operation])
  const isDeleted = event._tag === "FileDeleted" ||
    (event._tag === "FileUploadAdvanced" && event.part === "delete")
  if (event._tag === "FileUploaded") assert.deepInclude(state.file, { rootCid: event.rootCid, jobId: event.jobId })
  else if (isDeleted) assert.isUndefined(state.file)
  else if (event._tag === "FileAccessChanged") {
    assert.deepStrictEqual(state.file, file && { ...file, isPublic: event.isPublic })
  } else assert.strictEqual(state.file, file)
  assert.strictEqual(
    File.hasEnded(state),
    state.file === undefined && state.job !== undefined && Job.isTerminal(state.job.status)
  )
}

it.effect.each([1, 2, 3, 4])("keeps a long random sequence of commands legal (%i)", (seed) =>
  Effect.gen(function*() {
    const events = yield* Arbitrary.sampleEffect(Arbitrary.schema(File.Event), {
      count: 3_000,
      seed,
      maxDiscards: 100_000
    })
    let state = File.initial
    const jobs: Array<Job.Id> = []
    const tags = new Set<string>()
    for (const [n, like] of [...events, ...events.toReversed()].entries()) {
      // Each request is a job of its own; other commands speak of the last job, and now and then of one before it.
      const { step } = File.stepOf(like)
      const spokenOf = step === "requested" ? undefined : jobs.at(n % 5 === 0 ? -2 : -1)
      const { job } = state
      const given = { jobId: spokenOf ?? jobIdOf(n), live: job, n, retryAt: now }
      const decided = commandFor(like, given)(state, now)
      if (Result.isFailure(decided)) continue
      assert.isAtMost(decided.success.length, 1)
      for (const event of decided.success) {
        const before = state
        state = File.evolve(state, event)
        checkLegal(before, event, state)
        tags.add(event._tag)
        if (File.stepOf(event).step === "requested") jobs.push(event.jobId)
        // Every job that can be is one that the read model can keep.
        const kept = Schema.encodeSync(JobJson)(state.job as File.FileJob)
        assert.deepStrictEqual(Schema.decodeUnknownSync(JobJson)(kept), state.job)
      }
    }
    assert.sameMembers([...tags], Object.keys(File.Event.cases))
  }))

it.effect.prop(
  "is the event again, of each step",
  [File.Event],
  ([event]) => Effect.sync(() => assert.deepStrictEqual(File.eventOf(File.stepOf(event)), event))
)

const EventJson = Schema.fromJsonString(Schema.toCodecJson(File.Event))
it.effect.prop("reads back every event it can write", [File.Event], ([event]) =>
  Effect.gen(function*() {
    const json = yield* Schema.encodeEffect(EventJson)(event)
    assert.deepStrictEqual(yield* Schema.decodeEffect(EventJson)(json), event)
  }))
