/**
 * The invariants of the product (docs/reliability.md), held against a {@link World}. It shares no code with the product: a
 * rule that both understood wrongly would otherwise hold for both.
 */
import { createHash, createPublicKey, verify } from "node:crypto"
import { isDeepStrictEqual } from "node:util"
import { type Event, fold, type Folded, isTerminal, type Job, keyOf } from "./Fold.ts"
import * as Lanes from "./Lanes.ts"
import {
  type Claim,
  contractEvents,
  headerOf,
  type Operation,
  operations,
  readEntry,
  readEvent,
  whole
} from "./Vocabulary.ts"
import type { Message, Note, Transaction, World } from "./World.ts"

export const rules = {
  known: "every event is one that is known, on the subject of what it is about",
  terminal: "every accepted job ends",
  effects:
    "each part of a job has at most one effect on chain, and exactly one if the job is completed and not adopted",
  noEffect: "a failed or cancelled job has no effect on chain, and can get none",
  readModel: "the read model is the fold of the log",
  nonces: "the wallet's nonces have no gap, and the wallet is not blocked",
  inFlight: "no more jobs are begun and not ended than EXECUTOR_MAX_IN_FLIGHT",
  order: "a job begins when fewer than EXECUTOR_MAX_IN_FLIGHT of those asked for before it have not ended",
  delivery: "every event is delivered once and in the order of its job",
  hashChain: "the hash chain verifies",
  secrets: "no secret is leaked",
  client: "what the client was answered is true",
  accounts: "an event names the account that asked for its job, and no other account is shown the job",
  webhooks: "a webhook is sent every event of its account's jobs, each under one id, and nothing else",
  fault: "what must hold while the fault lasts",
  happened: "the fault happens"
} as const
export type Rule = keyof typeof rules

export interface Violation {
  readonly rule: Rule
  /** What was found, with ids and values. */
  readonly evidence: string
}

/** The wallet may stand still for so long; beyond it the times of blocks, which are whole seconds a second apart, have a say. */
export const maxBlockedMillis = 5_000
const blockTimeSlackMillis = 2_000

export const check = (world: World): ReadonlyArray<Violation> => {
  const folded = fold(world.log)
  const entries = world.ledger.map(readEntry).filter((entry) => entry !== undefined)
  const claims = entries.filter((entry) => entry._tag === "Claim")
  const hashes = transactionsByJob(folded, claims)
  const effects = effectsByJob(world, folded, hashes)
  return [
    ...checkKnown(world, folded, entries),
    ...checkTerminal(world, folded),
    ...checkEffects(world, folded, hashes, effects),
    ...checkNoEffect(world, claims, effects),
    ...checkReadModel(world, folded),
    ...checkNonces(world, folded, claims),
    ...checkLanes(world, folded),
    ...checkDelivery(world, folded),
    ...checkHashChain(world),
    ...checkSecrets(world),
    ...checkClient(world, folded),
    ...checkAccounts(world, folded),
    ...checkWebhooks(world, folded)
  ]
}

const violation = (rule: Rule) => (evidence: string): Violation => ({ rule, evidence })

const checkKnown = (
  { chain }: World,
  { unknown }: Folded,
  entries: ReadonlyArray<ReturnType<typeof readEntry>>
): ReadonlyArray<Violation> =>
  [
    ...unknown,
    ...entries.flatMap((entry) => entry?._tag === "Unknown" ? [entry.reason] : []),
    ...chain.effects.filter(({ kind }) => !Object.hasOwn(contractEvents, kind)).map(({ kind, transactionHash }) =>
      `the contract reports ${kind} in ${transactionHash}`
    )
  ].map(violation("known"))

const nameOf = ({ bucketName, id, operation, status }: Job): string =>
  `${status} ${operation} job ${id} (${bucketName})`

const checkTerminal = ({ notes }: World, { jobs }: Folded): ReadonlyArray<Violation> => {
  const report = violation("terminal")
  const accepted = new Set(notes.flatMap(({ answer }) => answer?.status === 202 && answer.jobId ? [answer.jobId] : []))
  return [...jobs.values()].filter((job) => !isTerminal(job)).map((job) =>
    report(
      `${nameOf(job)} has not ended; ${accepted.has(job.id) ? "it was answered with 202" : "its request got no 202"}`
    )
  )
}

/** The hashes of all transactions that were ever signed for the parts of each job, as far as log and ledger report. */
type Hashes = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>

const transactionsByJob = ({ events }: Folded, claims: ReadonlyArray<Claim>): Hashes => {
  const hashes = new Map<string, Map<string, Set<string>>>()
  const add = (jobId: string, part: string, hash: string) => {
    const parts = hashes.get(jobId) ?? new Map<string, Set<string>>()
    hashes.set(jobId, parts.set(part, (parts.get(part) ?? new Set()).add(hash.toLowerCase())))
  }
  for (const { jobId, part, transactionHash } of claims) if (jobId !== undefined) add(jobId, part, transactionHash)
  for (const { data, jobId, step } of events) {
    if (step === "submitted") add(jobId, data.part ?? whole, data.transactionHash)
  }
  return hashes
}

/** The transactions of each job that had an effect on chain. */
const effectsByJob = (
  { chain }: World,
  { jobs }: Folded,
  hashes: Hashes
): ReadonlyMap<Job, ReadonlyArray<Transaction & { readonly part: string; readonly isWanted: boolean }>> => {
  const mined = new Map(chain.transactions.map((one) => [one.hash, one]))
  return new Map(Array.from(jobs.values(), (job) => {
    const wanted: string = operations[job.operation].effect
    const own = [...hashes.get(job.id) ?? []].flatMap(([part, ofPart]) =>
      [...ofPart].flatMap((hash) => mined.get(hash) ?? []).map((one) => ({ ...one, part }))
    )
    return [
      job,
      own.filter(({ effects }) => effects.length > 0)
        .map((one) => ({ ...one, isWanted: one.effects.every(({ kind }) => kind === wanted) }))
    ]
  }))
}

const checkEffects = (
  { chain }: World,
  folded: Folded,
  hashes: Hashes,
  effects: ReturnType<typeof effectsByJob>
): ReadonlyArray<Violation> => {
  const report = violation("effects")
  const found: Array<Violation> = []
  for (const [job, own] of effects) {
    const reported = own.map(({ blockNumber, hash, nonce }) => `${hash} (nonce ${nonce}, block ${blockNumber})`).join(
      ", "
    )
    const parts = [...hashes.get(job.id)?.keys() ?? []]
    if (parts.length > 1 && parts.includes(whole)) {
      found.push(report(`${nameOf(job)} has a transaction without a part beside ${parts.filter(isNamed).join(", ")}`))
    }
    for (const [part, ofPart] of Map.groupBy(own, ({ part }) => part)) {
      if (ofPart.length > 1) {
        found.push(
          report(`${nameOf(job)} has ${ofPart.length} effects${isNamed(part) ? ` in ${part}` : ""}: ${reported}`)
        )
      }
    }
    if (own.some(({ isWanted }) => !isWanted)) {
      found.push(report(`${nameOf(job)} did what it was not asked to: ${reported}`))
    }
    if (job.status !== "completed" || job.result === null) continue
    const { adopted, blockNumber, bucketId, transactionHash } = job.result
    if (adopted) {
      if (own.length > 0) found.push(report(`${nameOf(job)} is called adopted, but is its own work: ${reported}`))
      const wanted = operations[job.operation].effect
      const ofBucket = chain.effects.filter((one) => one.bucketId === bucketId)
      // Of a bucket from before the chain's logs it is known that it is there, or was deleted.
      const isDone = transactionHash === undefined
        ? ofBucket.length > 0 || chain.existing.get(job.bucketName) === true
        : ofBucket.some((one) => one.kind === wanted && one.transactionHash === transactionHash)
      if (!isDone) found.push(report(`${nameOf(job)} is called adopted, and bucket ${bucketId} was never ${wanted}`))
      continue
    }
    for (const part of parts.filter(isNamed)) {
      if (!own.some((one) => one.part === part)) {
        found.push(report(`${nameOf(job)} has no effect on chain in ${part}; its own: ${reported || "none"}`))
      }
    }
    const effect = own.find(({ hash }) => hash === transactionHash)
    if (effect === undefined) {
      found.push(
        report(`${nameOf(job)} names ${transactionHash}, which has no effect on chain; its own: ${reported || "none"}`)
      )
      continue
    }
    if (effect.effects.some((one) => one.bucketId !== bucketId)) {
      found.push(report(`${nameOf(job)} names the bucket ${bucketId}, but ${effect.hash} is about another one`))
    }
    if (effect.blockNumber !== blockNumber) {
      found.push(
        report(`${nameOf(job)} names block ${blockNumber}, but ${effect.hash} is in block ${effect.blockNumber}`)
      )
    }
  }

  const owners = new Set([...hashes.values()].flatMap((parts) => [...parts.values()].flatMap((ofPart) => [...ofPart])))
  for (const { bucketId, kind, transactionHash } of chain.effects) {
    if (!owners.has(transactionHash)) {
      found.push(report(`bucket ${bucketId} was ${kind} by ${transactionHash}, of no job`))
    }
  }
  const receipts = chain.transactions.flatMap(({ effects, hash }) => effects.map((one) => `${hash} ${one.bucketId}`))
  const logged = chain.effects.map(({ bucketId, transactionHash }) => `${transactionHash} ${bucketId}`)
  if (!isDeepStrictEqual(receipts.toSorted(), logged.toSorted())) {
    found.push(report(`the chain's receipts report ${receipts.length} effects, its log query of ${logged.length}`))
  }
  const settled = new Map([...folded.jobs.values()].map((job) => [keyOf(job.owner, job.bucketName), job]))
  for (const [key, job] of settled) {
    const [exists, isWanted] = [chain.existing.get(job.bucketName), folded.buckets.has(key)]
    if (isTerminal(job) && exists !== isWanted) {
      found.push(
        report(`the contract ${exists ? "has" : "has not"} ${job.bucketName}, against the log's ${nameOf(job)}`)
      )
    }
  }
  return found
}

const isNamed = (part: string): boolean => part !== whole

const checkNoEffect = (
  { chain }: World,
  claims: ReadonlyArray<Claim>,
  effects: ReturnType<typeof effectsByJob>
): ReadonlyArray<Violation> => {
  const report = violation("noEffect")
  const found: Array<Violation> = []
  for (const [job, own] of effects) {
    if (job.status !== "failed" && job.status !== "cancelled") continue
    for (const { hash, nonce } of own) {
      found.push(report(`${nameOf(job)} has the effect of ${hash} (nonce ${nonce})`))
    }
    for (const { jobId, nonce, transactionHash } of claims) {
      if (jobId === job.id && nonce >= chain.minedCount) {
        found.push(report(`${nameOf(job)} has ${transactionHash}, whose nonce ${nonce} may still be mined`))
      }
    }
  }
  return found
}

const checkReadModel = (
  { log, readModel }: World,
  { buckets, deliveries, jobs, webhooks }: Folded
): ReadonlyArray<Violation> => {
  const report = violation("readModel")
  const wantedJobs = [...jobs.values()].map((job) => ({
    id: job.id,
    operation: job.operation,
    bucket_name: job.bucketName,
    owner: job.owner,
    status: job.status,
    tx_hash: job.transactionHash,
    error: job.error,
    created_at: job.createdAt,
    updated_at: job.updatedAt,
    revision: job.revision,
    attempts: job.attempts,
    result: job.result
  }))
  const wantedBuckets = [...buckets.values()].map(({ bucketId, jobId, name, owner, transactionHash }) => ({
    owner,
    name,
    bucket_id: bucketId,
    tx_hash: transactionHash,
    job_id: jobId
  }))
  const wantedWebhooks = Array.from(webhooks.values(), ({ id, owner, revision, status, tenant }) => ({
    id,
    owner,
    tenant,
    status,
    revision
  }))
  const last = log.at(-1)?.sequence ?? 0
  const { sequence } = readModel.checkpoint
  return [
    ...differences("bucket_jobs", "id", wantedJobs, readModel.jobs),
    ...differences("buckets", "name", wantedBuckets, readModel.buckets),
    ...differences("webhooks", "id", wantedWebhooks, readModel.webhooks),
    ...differences("webhook_deliveries", "key", [...deliveries.values()], readModel.deliveries),
    ...(sequence === last ? [] : [`the checkpoint is ${sequence}, and the log ends with ${last}`])
  ].map(report)
}

/** Rows that are missing, wrong or too many, in words. */
const differences = <Key extends string, Row extends { readonly [K in Key]: string | number }>(
  table: string,
  key: Key,
  wanted: ReadonlyArray<Row>,
  found: ReadonlyArray<Row>
): ReadonlyArray<string> => {
  const rows = new Map<string | number, Row>(found.map((row) => [row[key], row]))
  const reported = wanted.flatMap((row) => {
    const actual = rows.get(row[key])
    rows.delete(row[key])
    if (actual === undefined) return [`${table} has no row ${row[key]}`]
    const columns = Object.entries(row).filter(([name, value]) =>
      !isDeepStrictEqual(value, Object.entries(actual).find(([one]) => one === name)?.[1])
    )
    return columns.length === 0 ? [] : [
      `${table} ${row[key]} differs: ${
        columns.map(([name, value]) =>
          `${name} is ${JSON.stringify(Object.entries(actual).find(([one]) => one === name)?.[1])}, not ${
            JSON.stringify(value)
          }`
        ).join("; ")
      }`
    ]
  })
  const doubles = found.length - new Set(found.map((row) => row[key])).size
  return [
    ...reported,
    ...Array.from(rows.keys(), (key) => `${table} has a row ${key} that the log does not report`),
    ...(doubles === 0 ? [] : [`${table} has ${doubles} rows twice`])
  ]
}

const checkNonces = (
  { chain, faultEndedAt, ledger, observedAt }: World,
  { events }: Folded,
  claims: ReadonlyArray<Claim>
): ReadonlyArray<Violation> => {
  const report = violation("nonces")
  const found: Array<Violation> = []
  for (const [place, { hash, nonce }] of chain.transactions.entries()) {
    if (nonce !== place) {
      found.push(report(`the wallet's transaction ${place} is ${hash} with nonce ${nonce}`))
      break
    }
  }
  if (chain.transactions.length !== chain.minedCount) {
    found.push(
      report(`blocks hold ${chain.transactions.length} transactions, and the chain counts ${chain.minedCount}`)
    )
  }
  if (chain.pendingCount !== chain.minedCount) {
    found.push(report(`${chain.pendingCount - chain.minedCount} transactions of the wallet wait in the pool`))
  }
  const unmined = claims.filter(({ nonce }) => nonce >= chain.minedCount)
  for (const { jobId, nonce, transactionHash } of unmined) {
    found.push(report(`nonce ${nonce} of the ledger (job ${jobId ?? "none"}, ${transactionHash}) was never mined`))
  }

  const usersByNonce = new Map<number, Set<string>>()
  const use = (nonce: number, jobId: string, part: string) => {
    const user = isNamed(part) ? `${part} of ${jobId}` : jobId
    usersByNonce.set(nonce, (usersByNonce.get(nonce) ?? new Set()).add(user))
  }
  for (const { jobId, nonce, part } of claims) if (jobId !== undefined) use(nonce, jobId, part)
  for (const { data, jobId, step } of events) if (step === "submitted") use(data.nonce, jobId, data.part ?? whole)
  for (const [nonce, users] of usersByNonce) {
    if (users.size > 1) {
      found.push(report(`nonce ${nonce} belongs to ${users.size} jobs or parts of jobs: ${[...users].join(", ")}`))
    }
  }
  if (events.some(({ step }) => step === "submitted") && ledger.length === 0) found.push(report("the ledger is empty"))

  const blocked = blockedMillis({ chain, faultEndedAt, observedAt }, claims)
  if (blocked > maxBlockedMillis + blockTimeSlackMillis) {
    found.push(report(`the wallet was blocked for ${(blocked / 1000).toFixed(1)} s after the fault's end`))
  }
  return found
}

/** The longest time after the fault's end in which a claimed nonce was next, and no transaction of the wallet was mined. */
const blockedMillis = (
  { chain, faultEndedAt, observedAt }: Pick<World, "chain" | "faultEndedAt" | "observedAt">,
  claims: ReadonlyArray<Claim>
): number => {
  const claimedAt = new Map<number, number>()
  for (const { nonce, storedAt } of claims) {
    claimedAt.set(nonce, Math.min(storedAt, claimedAt.get(nonce) ?? Number.POSITIVE_INFINITY))
  }
  let previous = faultEndedAt
  let longest = 0
  for (const { minedAt, nonce } of chain.transactions) {
    const claimed = claimedAt.get(nonce)
    if (claimed !== undefined && minedAt > faultEndedAt) {
      longest = Math.max(longest, minedAt - Math.max(faultEndedAt, previous, claimed))
    }
    previous = Math.max(previous, minedAt)
  }
  const next = claimedAt.get(chain.minedCount)
  return next === undefined ? longest : Math.max(longest, observedAt - Math.max(faultEndedAt, previous, next))
}

const checkLanes = ({ maxInFlight }: World, folded: Folded): ReadonlyArray<Violation> =>
  Lanes.lanesOf(folded, maxInFlight).flatMap(({ early, most, owner }) => [
    ...(most.count <= maxInFlight ? [] : [
      violation("inFlight")(
        `${most.count} jobs of ${owner} were begun and not ended at event ${most.sequence}; the limit is ${maxInFlight}`
      )
    ]),
    ...early.slice(0, 1).map(({ first, jobId, sequence }) =>
      violation("order")(
        `${early.length} jobs of ${owner} began too early: at event ${sequence} job ${jobId} did, when `
          + `${maxInFlight} or more of those asked for before it, ${first} the first of them, had not ended`
      )
    )
  ])

const checkDelivery = ({ log }: World, { events, misplaced }: Folded): ReadonlyArray<Violation> => {
  const report = violation("delivery")
  return [
    ...misplaced.map(({ jobId, sequence, type }) => `event ${sequence} (${type}) of job ${jobId} is out of place`),
    ...repeated(events),
    ...repeatedIds(log)
  ].map(report)
}

/** A step of a job that the log holds twice: of each attempt one start and one failure, of each transaction one submission. */
const repeated = (events: ReadonlyArray<Event>): ReadonlyArray<string> => {
  const seen = new Set<string>()
  return events.flatMap(({ data, jobId, sequence, step, type }) => {
    const key = [jobId, step, step === "submitted" ? data.transactionHash : data.attempt].join(" ")
    if (seen.has(key)) return [`event ${sequence} (${type}) of job ${jobId} reports a step a second time`]
    seen.add(key)
    return []
  })
}

const repeatedIds = (log: ReadonlyArray<Message>): ReadonlyArray<string> => {
  const seen = new Map<string, number>()
  return log.flatMap((message) => {
    const id = headerOf(message, "ce-id")
    const first = seen.get(id)
    seen.set(id, first ?? message.sequence)
    return first === undefined ? [] : [`event ${message.sequence} has the id of event ${first}: ${id}`]
  })
}

/**
 * h(n) = sha256(h(n-1) ‖ sequence ‖ subject ‖ headers ‖ data): the sequence in 8 bytes, each other part after its length in
 * 4 bytes, big-endian; headers as the JSON of [name, value] pairs sorted by name, names in lower case.
 */
const checkHashChain = ({ log, readModel }: World): ReadonlyArray<Violation> => {
  const report = violation("hashChain")
  const archive = new Map(readModel.archive.map((row) => [row.sequence, row]))
  const hashes = new Map<number, string>()
  const unsigned: Array<string> = []
  let hash = Buffer.alloc(32)
  for (const { data, headers, sequence, subject } of log) {
    const pairs = headers.map(([name, value]) => [name.toLowerCase(), value] as const)
    const canonical = JSON.stringify(pairs.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
    const number = Buffer.alloc(8)
    number.writeBigUInt64BE(BigInt(sequence))
    const digest = createHash("sha256").update(hash).update(number)
    for (const part of [Buffer.from(subject), Buffer.from(canonical), data]) {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(part.length)
      digest.update(length).update(part)
    }
    hash = digest.digest()
    hashes.set(sequence, hash.toString("hex"))
    const checkpoint = headers.some(([name, value]) => name === "ce-type" && value === "akave.CheckpointSigned.v1")
    if (checkpoint && !isTrueCheckpoint(JSON.parse(Buffer.from(data).toString()), hashes)) {
      unsigned.push(`the checkpoint of event ${sequence} is not of this log, or not signed`)
    }
    const row = archive.get(sequence)
    const wanted = { subject, headers: canonical, data: Buffer.from(data).toString("hex") }
    if (row === undefined) return [report(`event ${sequence} is not in the archive`)]
    for (const [column, value] of Object.entries(wanted)) {
      if (Object.entries(row).every(([name, actual]) => name !== column || actual !== value)) {
        return [report(`the archive's ${column} of event ${sequence} is not the log's`)]
      }
    }
    archive.delete(sequence)
  }
  const { checkpoint } = readModel
  return [
    ...unsigned,
    ...(readModel.archive.length <= log.length
      ? []
      : [`the archive has ${readModel.archive.length} events of ${log.length}`]),
    ...(archive.size === 0 ? [] : [`the archive has ${archive.size} events that the log has not`]),
    ...(checkpoint.hash === hash.toString("hex") ? [] : [`the checkpoint's hash is ${checkpoint.hash}`])
  ].map(report)
}

/** Whether a checkpoint states what the hash chain was, and its key has signed that (RFC 8032). */
const isTrueCheckpoint = (
  { hash, occurredAt, publicKey, sequence, signature }: {
    readonly sequence: number
    readonly hash: string
    readonly occurredAt: string
    readonly publicKey: string
    readonly signature: string
  },
  hashes: ReadonlyMap<number, string>
): boolean => {
  const text = ["akave-async checkpoint v1", sequence, hash, occurredAt].map((line) => `${line}\n`).join("")
  const x = Buffer.from(publicKey, "base64").toString("base64url")
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" })
  return hashes.get(sequence) === hash && verify(null, Buffer.from(text), key, Buffer.from(signature, "base64"))
}

const checkSecrets = ({ ledger, log, notes, secrets, texts }: World): ReadonlyArray<Violation> => {
  const report = violation("secrets")
  const messages = (where: string, all: ReadonlyArray<Message>) =>
    all.map((message) => ({
      where: `${where} ${message.sequence}`,
      text: `${JSON.stringify(message.headers)} ${Buffer.from(message.data).toString()}`
    }))
  const places = [
    ...texts,
    ...messages("event", log),
    ...messages("entry of the ledger", ledger),
    ...notes.map(({ answer, name, request }) => ({
      where: `the answer to ${request} ${name}`,
      text: answer?.body ?? ""
    }))
  ]
  return secrets.flatMap(({ name, value }) => {
    const wanted = value.toLowerCase()
    return places.filter(({ text }) => text.toLowerCase().includes(wanted)).map(({ where }) =>
      report(`${name} is in ${where}`)
    )
  })
}

/** The operation that each request of the client asks for. */
const requestOf = { create: "bucket.create", delete: "bucket.delete" } as const satisfies Record<string, Operation>

const checkClient = ({ notes }: World, { events, jobs }: Folded): ReadonlyArray<Violation> => {
  const report = violation("client")
  const requestsOf = (operation: Operation) => {
    const byName = new Map<string, Array<string>>()
    for (const { data, jobId, operation: one, step } of events) {
      if (step === "requested" && one === operation) byName.set(data.name, [...byName.get(data.name) ?? [], jobId])
    }
    return byName
  }
  const stored = { create: requestsOf(requestOf.create), delete: requestsOf(requestOf.delete) }
  const asked = new Map<string, Array<Note>>()
  for (const note of notes) {
    const key = `${note.request} ${note.name}`
    asked.set(key, [...asked.get(key) ?? [], note])
  }

  const found: Array<string> = []
  for (const note of notes) {
    const { answer, jobId = "", name, request } = note
    if (answer?.status === 500) found.push(`${request} ${name} was answered with 500: ${answer.body.slice(0, 200)}`)
    const job = jobs.get(jobId)
    switch (request) {
      case "create":
      case "delete":
        if (answer?.status === 202 && !stored[request].get(name)?.includes(answer.jobId ?? "")) {
          found.push(`${request} ${name} was answered with 202 and job ${answer.jobId}, which the log has not`)
        }
        break
      case "cancel":
        if (answer?.status === 200 && job?.status !== "cancelled") {
          found.push(`job ${jobId} was reported cancelled, and is ${job?.status}`)
        }
        if (answer?.status === 409 && job?.status === "cancelled") {
          found.push(`job ${jobId} was reported not cancellable, and is cancelled`)
        }
        break
    }
    if ((request === "cancel" || request === "read") && answer?.status === 404) {
      found.push(`job ${jobId} was accepted, and ${request} was answered that there is none`)
    }
  }
  for (const [key, same] of asked) {
    const [request = "", name = ""] = key.split(" ")
    if (request !== "create" && request !== "delete") continue
    // A request that was refused for what it says is not stored; any other may be, once. Those with one key are one request.
    const mayBeStored = new Set(
      same.filter(({ answer }) => answer === undefined || answer.status === 202 || answer.status >= 500)
        .map((note) => note.key ?? note)
    ).size
    const isStored = stored[request].get(name)?.length ?? 0
    if (isStored > mayBeStored) {
      found.push(
        `${request} ${name} was asked ${same.length} times, of which ${mayBeStored} may be stored, and is stored ${isStored} times`
      )
    }
  }
  for (const [key, same] of Map.groupBy(notes, ({ key }) => key)) {
    if (key === undefined) continue
    // A gateway whose clock is off refuses what is signed, and stores nothing.
    const answered = same.flatMap(({ answer }) =>
      answer !== undefined && answer.status < 500 && answer.code !== "clock_skew" ? [answer] : []
    )
    const ends = new Set(answered.map(({ jobId, status }) => `${status} with job ${jobId}`))
    if (ends.size > 1) found.push(`the requests with key ${key} were answered differently: ${[...ends].join(", ")}`)
  }
  for (const { bucketName, id, operation } of notes.length > 0 ? jobs.values() : []) {
    const request = Object.entries(requestOf).find(([, one]) => one === operation)?.[0]
    if (!asked.has(`${request} ${bucketName}`)) {
      found.push(`${operation} job ${id} for ${bucketName} was never asked for`)
    }
  }
  return found.map(report)
}

const checkAccounts = ({ log, notes }: World, { jobs }: Folded): ReadonlyArray<Violation> => {
  const accounts = new Map(notes.filter(({ request }) => request !== "spy").map(({ account, name }) => [name, account]))
  const misnamed = log.flatMap((message) => {
    const event = readEvent(message)
    const job = event._tag === "OfJob" ? jobs.get(event.jobId) : undefined
    const wanted = job === undefined ? undefined : accounts.get(job.bucketName)
    const named = headerOf(message, "ce-account")
    return wanted === undefined || named === wanted
      ? []
      : [`event ${message.sequence} of job ${job?.id} names account "${named}", and ${wanted} has asked for it`]
  })
  const shown = notes.flatMap(({ account, answer, jobId, request }) =>
    request === "spy" && answer !== undefined && answer.status !== 404 && answer.status < 500
      ? [`account ${account} was answered with ${answer.status} to job ${jobId} of another one`]
      : []
  )
  return [...misnamed, ...shown].map((evidence) => ({ rule: "accounts", evidence }))
}

const checkWebhooks = ({ log, received }: World, { events, webhooks }: Folded): ReadonlyArray<Violation> => {
  const accounts = new Map(log.map((message) => [message.sequence, headerOf(message, "ce-account")]))
  const found: Array<string> = []
  for (const { id, since, status, tenant } of webhooks.values()) {
    const own = received.filter(({ webhookId }) => webhookId === id)
    const wanted = new Set(
      events.filter(({ sequence }) => sequence > since && accounts.get(sequence) === (tenant ?? ""))
        .map(({ sequence }) => sequence)
    )
    const ids = new Map<number, string>()
    for (const { messageId, sequence } of own) {
      if (!wanted.has(sequence)) {
        found.push(`webhook ${id} of ${tenant} was sent event ${sequence}, which is not for it`)
      }
      const known = ids.get(sequence) ?? messageId
      ids.set(sequence, known)
      if (known !== messageId) found.push(`webhook ${id} was sent event ${sequence} as ${known} and as ${messageId}`)
    }
    if (status !== "enabled") continue
    for (const sequence of wanted) {
      if (!ids.has(sequence)) found.push(`webhook ${id} of ${tenant} was not sent event ${sequence}`)
    }
  }
  return found.map((evidence) => ({ rule: "webhooks", evidence }))
}
