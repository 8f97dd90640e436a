/** How file events stand in the log, and how a file is read from it and changed in it. */
import * as File from "@akave-async/domain/File"
import * as Aggregate from "./Aggregate.ts"
import * as CloudEvent from "./CloudEvent.ts"
import * as Kind from "./Kind.ts"

export const codec = CloudEvent.make(File.Event)

export type Loaded = Aggregate.Loaded<File.State>

const aggregate: Aggregate.Aggregate<File.State, File.Event> = {
  ...File,
  codec,
  idOf: (event) => Kind.idOfStep(File.stepOf(event)),
  jobIdOf: ({ jobId }) => jobId,
  accountOf: (event, { job }) => "owner" in event ? event.tenant : job?.tenant
}

export const { execute, load } = Aggregate.make(aggregate)

export const kind = Kind.withJobs(File.kind, ["owner", "bucket", "file"], aggregate, {
  ...File,
  schema: File.FileJob,
  about: ({ request: { bucketName, name } }) => ({ bucketName, fileName: name }),
  subjectOf: ({ owner, request: { bucketName, name } }) => File.subject(owner, bucketName, name)
})
