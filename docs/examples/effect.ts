/** The same client with Effect: typed errors, streams, and interruption that ends requests. */
import { AkaveAsync } from "@akave-async/client/effect"
import { Console, Effect, Stream } from "effect"

const program = Effect.gen(function*() {
  const akave = yield* AkaveAsync
  const job = yield* akave.createBucket(process.argv[2] ?? `effect-${Date.now()}`).pipe(
    Effect.catchTag("BucketExists", ({ job_id }) => akave.jobs.get(job_id))
  )
  yield* Stream.runForEach(akave.jobs.events(job.job_id), ({ time, type }) => Console.log(time, type))
})

Effect.runPromise(program.pipe(Effect.provide(AkaveAsync.layer())))
