/** Examples of how jobs are explained. */
import { Address, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { DateTime } from "effect"
import { JobExplanation, type TimelineEntry } from "./Explanation.ts"
import { encode } from "./JsonObject.ts"

const at = (time: string) => DateTime.makeUnsafe(`2026-11-21T10:10:${time}Z`)
const transaction = TransactionHash.make("0x33cdd3ba0e1f59cf8bc1f9df9f52f5d8dce301b891a2a203044844965dded190")
const executor = "TKUJQWFQ9NMBAVZ5W6GR0G"
const offer = 3_000_000_000n
const price = 1_000_000_007n
const gas = 149_000

const none = { attempt: null, tx_hash: null, nonce: null, max_fee_per_gas: null, error: null }
const requested: TimelineEntry = {
  sequence: 4711,
  time: at("55.853"),
  step: "requested",
  message: "bucket.create of my-bucket, by account acme",
  ...none,
  executor: null,
  waited_ms: null,
  waited_for: null
}
const started: TimelineEntry = {
  sequence: 4712,
  time: at("55.871"),
  step: "started",
  message: "attempt 1 begun",
  ...none,
  attempt: 1,
  executor,
  waited_ms: 18,
  waited_for: "executor"
}
const submitted: TimelineEntry = {
  sequence: 4713,
  time: at("55.912"),
  step: "submitted",
  message: "sent with nonce 7, for at most 3 gwei per gas unit",
  ...none,
  attempt: 1,
  tx_hash: transaction,
  nonce: 7,
  max_fee_per_gas: offer,
  executor,
  waited_ms: 41,
  waited_for: "preparation"
}
const mined: TimelineEntry = {
  sequence: 4714,
  time: at("57.136"),
  step: "completed",
  message: `mined in block 27, ${gas} gas units used`,
  ...none,
  attempt: 1,
  tx_hash: transaction,
  nonce: 7,
  executor,
  waited_ms: 1_224,
  waited_for: "chain"
}
const job = {
  job_id: Job.Id.make("01a1fd96-6aed-70f8-9e47-556db4c9cbc3"),
  operation: "bucket.create" as const,
  bucket_name: "my-bucket",
  file_name: null,
  owner: Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
}

const completed: JobExplanation = {
  ...job,
  status: "completed",
  summary:
    `bucket.create of my-bucket was completed by executor ${executor}, 1s 283ms after it was requested, for 149000001043000 wei`,
  timeline: [requested, started, submitted, mined],
  waiting: null,
  fees: {
    gas_used: gas,
    effective_gas_price: price,
    max_fee_per_gas: offer,
    paid_wei: BigInt(gas) * price,
    at_most_wei: BigInt(gas) * price
  }
}
const queued: JobExplanation = {
  ...job,
  status: "queued",
  summary: "bucket.create of my-bucket was requested 12s ago and is queued: no executor answers",
  timeline: [requested],
  waiting: {
    reason: "executors_away",
    detail: "no executor answers",
    advice: "start an executor: accepted jobs wait, and none is lost",
    executor: null,
    deadline: null
  },
  fees: { gas_used: null, effective_gas_price: null, max_fee_per_gas: null, paid_wei: null, at_most_wei: null }
}

export const examples = {
  JobExplanation: { completed: encode(JobExplanation, completed), queued: encode(JobExplanation, queued) }
}
