/** Asks for a hundred buckets by one request, and waits for all of them over one connection. */
import { createClient } from "@akave-async/client"

const akave = createClient()
const names = Array.from({ length: 100 }, (_, n) => `hundred-${Date.now()}-${n}`)

const { accepted, answers } = await akave.buckets.submitAll({ names })
console.log(`${accepted} accepted`)
for (const { name, problem } of answers) if (problem !== null) console.log(`${name}: ${problem.detail}`)

const jobs = await Promise.all(answers.flatMap(({ job }) => job === null ? [] : [akave.jobs.wait(job.job_id)]))
console.log(`${jobs.filter(({ status }) => status === "completed").length} completed`)
