/** How the events of downloads stand in the log, and how a download is read from it and changed in it. */
import * as Download from "@akave-async/domain/Download"
import * as Aggregate from "./Aggregate.ts"
import * as CloudEvent from "./CloudEvent.ts"
import * as Kind from "./Kind.ts"

const aggregate: Aggregate.Aggregate<Download.State, Download.Event> = {
  ...Download,
  codec: CloudEvent.make(Download.Event),
  idOf: (event) => Kind.idOfStep(Download.stepOf(event)),
  jobIdOf: ({ jobId }) => jobId,
  accountOf: (event, { job }) => "owner" in event ? event.tenant : job?.tenant
}

/** What is known of a download that is asked for for the first time. */
export const unknown: Aggregate.Loaded<Download.State> = { state: Download.initial, revision: 0 }

export const { execute, load } = Aggregate.make(aggregate)

export const kind = Kind.withJobs(Download.kind, ["owner", "job"], aggregate, {
  ...Download,
  schema: Download.DownloadJob,
  about: ({ request: { bucketName, name } }) => ({ bucketName, fileName: name }),
  subjectOf: ({ id, owner }) => Download.subject(owner, id)
})
