import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as BucketEvents from "../src/BucketEvents.ts"
import * as EventLogMemory from "../src/EventLogMemory.ts"

const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const name = BucketName.make("my-bucket")
const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")

it.effect.each([{ tenant: "acme", account: "acme" }, { tenant: undefined, account: undefined }])(
  "every event of a job of account $account says so, whoever writes it",
  ({ account, tenant }) =>
    Effect.gen(function*() {
      const log = yield* EventLogMemory.open
      const subject = Bucket.subject(owner, name)
      const request = Bucket.requestCreation({ jobId, name, owner, ...(tenant === undefined ? {} : { tenant }) })
      yield* BucketEvents.execute(log, subject, { state: Bucket.initial, revision: 0 }, request, { source: "/gateway" })
      const start = Bucket.onJob(Job.startAttempt(jobId))
      const loaded = yield* BucketEvents.load(log, subject)
      yield* BucketEvents.execute(log, subject, loaded, start, { source: "/executor" })
      const { events } = yield* log.read(subject)
      assert.deepStrictEqual(events.map(({ headers }) => headers["ce-account"]), [account, account])
    })
)
