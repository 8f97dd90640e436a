/** Creates a bucket whatever comes in between: each error has a class, and its message says what to do. */
import {
  BucketBusy,
  BucketExists,
  CallTimeout,
  ConnectionFailed,
  createClient,
  CredentialsInvalid,
  Forbidden,
  InvalidRequest,
  type Job,
  JobFailed,
  Problem,
  Unauthorized,
  WaitEnded
} from "@akave-async/client"

const create = async (name: string): Promise<Job> => {
  const akave = createClient({ timeout: 30_000 })
  try {
    return await akave.createBucket(name)
  } catch (error) {
    // It is there already, or on its way: what we want, by another job.
    if (error instanceof BucketExists) return akave.jobs.get(error.job_id)
    if (error instanceof BucketBusy) return akave.jobs.wait(error.job_id)
    // The job goes on without us; another process may wait for it.
    if (error instanceof WaitEnded) return akave.jobs.get(error.jobId)
    throw error
  }
}

try {
  const { job_id, status } = await create(process.argv[2] ?? "my-bucket")
  console.log(status, job_id)
} catch (error) {
  if (error instanceof InvalidRequest) { for (const { message } of error.errors) console.error(message) }
  else if (error instanceof JobFailed) console.error(`${error.job.error?.category}: ${error.message}`)
  else if (error instanceof Unauthorized || error instanceof Forbidden || error instanceof CredentialsInvalid) {
    console.error(`credentials: ${error.message}`)
  } else if (error instanceof ConnectionFailed || error instanceof CallTimeout) console.error(`later: ${error.message}`)
  else if (error instanceof Problem) console.error(`${error.code}: ${error.message}`)
  else throw error
  process.exitCode = 1
}
