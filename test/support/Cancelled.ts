/** Jobs that were cancelled before an executor had begun them: their aggregates have ended. */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import type { EventLogShape } from "@akave-async/eventing/EventLog"
import * as Stack from "@akave-async/local/Stack"
import { Effect } from "effect"

/** Appends so many of them, two events each. */
export const append = Effect.fnUntraced(function*(log: EventLogShape, jobs: number) {
  const owner = Address.make(Stack.publicDevelopmentAddress)
  const origin = { source: "/akave/test" }
  for (let n = 0; n < jobs; n++) {
    const jobId = Job.Id.make(`019845e1-682f-7b02-a706-${`${n}`.padStart(12, "0")}`)
    const name = BucketName.make(`cancelled-${n}`)
    const subject = Bucket.subject(owner, name)
    const known = yield* BucketEvents.execute(
      log,
      subject,
      { state: Bucket.initial, revision: 0 },
      Bucket.requestCreation({ jobId, name, owner }),
      origin
    )
    const cancel = Bucket.onJob(Job.cancel({ jobId, cancelledBy: "test", reason: "no more" }))
    yield* BucketEvents.execute(log, subject, known, cancel as never, origin)
  }
})
