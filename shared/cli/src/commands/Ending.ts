/** Waits for the end of a job, as commands do that begin one. */
import { type ClientError, type EffectClient, type Job, JobFailed } from "@akave-async/client/effect"
import { Effect } from "effect"
import { Gateway } from "../Gateway.ts"
import { Output } from "../Output.ts"

/** A job; where results only are wanted, its id. */
export const showJob = (job: Job): Effect.Effect<void, never, Output> =>
  Output.use(({ flags, line, show }) => flags.quiet && !flags.json ? line(job.job_id, job) : show(job))

/** Waits for the end of a job and shows it. Fails where it is no success. */
export const ended = (
  client: EffectClient,
  job: Job,
  title: string
): Effect.Effect<void, ClientError, Gateway | Output> =>
  Effect.gen(function*() {
    const output = yield* Output
    const { timeout } = yield* Gateway
    let status: string = job.status
    const onChange = (job: Job) => {
      status = job.status
    }
    const last = yield* output.during(title, () => status, client.jobs.wait(job.job_id, { onChange, timeout }))
    yield* output.show(last)
    if (last.status !== "completed") return yield* Effect.fail(new JobFailed(last))
  })
