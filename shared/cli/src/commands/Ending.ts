/** Waits for the end of a job, as commands do that begin one. */
import { type ClientError, type EffectClient, type Job, JobFailed } from "@akave-async/client/effect"
import { Effect } from "effect"
import { Gateway } from "../Gateway.ts"
import { Output } from "../Output.ts"
import { size } from "../Transfer.ts"

/** A job; where results only are wanted, its id. */
export const showJob = (job: Job): Effect.Effect<void, never, Output> =>
  Output.use(({ flags, line, show }) => flags.quiet && !flags.json ? line(job.job_id, job) : show(job))

/** How far a job on a file has come, in few words; undefined where it has no bytes to store or to fetch. */
export const progressText = ({ progress }: Pick<Job, "progress">): string | undefined => {
  if (progress === null || progress.bytes_total === 0) return undefined
  const { bytes_done: done, bytes_total: total, stage } = progress
  const share = `${Math.floor(100 * done / total)}% of ${size(total)}`
  return stage === "done" ? share : `${stage} ${share}`
}

/** What is said to who ends a wait for a job. */
export const goesOn = ({ job_id: id }: Job): string =>
  `job ${id} goes on: follow it by akave-async job wait ${id}, or end it by akave-async job cancel ${id}`

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
      status = progressText(job) ?? job.status
    }
    const wait = client.jobs.wait(job.job_id, { onChange, timeout })
    const last = yield* output.during(title, () => status, wait).pipe(
      Effect.onInterrupt(() => output.note(goesOn(job)))
    )
    yield* output.show(last)
    if (last.status !== "completed") return yield* Effect.fail(new JobFailed(last))
  })
