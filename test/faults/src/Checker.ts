/**
 * The invariants of the product (docs/reliability.md), held against a {@link World}. It shares no code with the product: a
 * rule that both understood wrongly would otherwise hold for both.
 */
import { createHash, createPublicKey, verify } from "node:crypto"
import { isDeepStrictEqual } from "node:util"
import { type Done, type Event, fold, type Folded, isTerminal, type Job, keyOf } from "./Fold.ts"
import * as Lanes from "./Lanes.ts"
import {
  type Claim,
  contractEvents,
  headerOf,
  type Operation,
  operations,
  readEntry,
  readEvent,
  rowOf,
  undo,
  whole
} from "./Vocabulary.ts"
import type { Message, Note, Transaction, World } from "./World.ts"

export const rules = {
  known: "every event is one that is known, on the subject of what it is about",
  terminal: "every accepted job ends",
  effects:
    "each part of a job has at most one effect on chain, and exactly one if the job is completed and not adopted",
  noEffect: "a failed or cancelled job has no effect on chain, or has taken it back, and can get none",
  files: "the files of the log are on chain as they were uploaded, and no others, and come back as they were sent",
  staging: "nothing stays in the staging store for a job that has ended",
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
    ...checkFiles(world, folded),
    ...checkStaging(world, folded),
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

const nameOf = ({ bucketName, fileName, id, operation, status }: Job): string =>
  `${status} ${operation} job ${id} (${fileName === null ? bucketName : `${bucketName}/${fileName}`})`

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

/** A transaction of a job that had an effect on chain, and whether that is what its part is for. */
type OwnEffect = Transaction & { readonly part: string; readonly isWanted: boolean }

/** The transactions of each job that had an effect on chain. */
const effectsByJob = (
  { chain }: World,
  { jobs }: Folded,
  hashes: Hashes
): ReadonlyMap<Job, ReadonlyArray<OwnEffect>> => {
  const mined = new Map(chain.transactions.map((one) => [one.hash, one]))
  return new Map(Array.from(jobs.values(), (job) => {
    const { effect, idOf } = rowOf(job.operation)
    const about = idOf?.({ ...job.request, owner: job.owner })
    const own = [...hashes.get(job.id) ?? []].flatMap(([part, ofPart]) =>
      [...ofPart].flatMap((hash) => mined.get(hash) ?? []).map((one) => ({ ...one, part }))
    )
    return [
      job,
      own.filter(({ effects }) => effects.length > 0).map((one) => ({
        ...one,
        isWanted: one.effects.length === 1
          && one.effects.every(({ id, kind }) => kind === effect(one.part) && (about === undefined || id === about))
      }))
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
    if (job.status === "completed" && job.result !== null) {
      found.push(...completedWork(chain, job, parts, own).map((what) => report(`${nameOf(job)} ${what}`)))
    }
  }

  const owners = new Set([...hashes.values()].flatMap((parts) => [...parts.values()].flatMap((ofPart) => [...ofPart])))
  for (const { id, kind, transactionHash } of chain.effects) {
    if (!owners.has(transactionHash)) {
      found.push(
        report(`${contractEvents[kind]?.about ?? "something"} ${id} was ${kind} by ${transactionHash}, of no job`)
      )
    }
  }
  const receipts = chain.transactions.flatMap(({ effects, hash }) => effects.map((one) => `${hash} ${one.id}`))
  const logged = chain.effects.map(({ id, transactionHash }) => `${transactionHash} ${id}`)
  if (!isDeepStrictEqual(receipts.toSorted(), logged.toSorted())) {
    found.push(report(`the chain's receipts report ${receipts.length} effects, its log query of ${logged.length}`))
  }
  const ofBuckets = [...folded.jobs.values()].filter(({ operation }) => operations[operation].kind === "bucket")
  const settled = new Map(ofBuckets.map((job) => [keyOf(job.owner, job.bucketName), job]))
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
const inPart = (part: string): string => isNamed(part) ? ` in ${part}` : ""

/** What is wrong with how a completed job was done, by what it reports of its parts. */
const completedWork = (
  chain: World["chain"],
  job: Job,
  claimed: ReadonlyArray<string>,
  own: ReadonlyArray<OwnEffect>
): ReadonlyArray<string> => {
  const { result } = job
  const row = rowOf(job.operation)
  const parts = row.parts?.(job.request) ?? (claimed.length > 0 ? claimed : [whole])
  const last = parts.at(-1)
  // A job without transactions has nothing on chain.
  if (result === null || last === undefined) return []
  const reports = new Map<string, Done>([...job.done, [last, result]])
  const others = own.map(({ blockNumber, hash, nonce }) => `${hash} (nonce ${nonce}, block ${blockNumber})`).join(", ")
  const extra = own.filter(({ part }) => !parts.includes(part)).map(({ hash, part }) =>
    `has the effect of ${hash}${inPart(part)}, which is none of its parts`
  )
  const found = parts.flatMap((part) => {
    const done = reports.get(part)
    const ofPart = own.filter((one) => one.part === part)
    if (done === undefined) {
      if (row.parts !== undefined) return [`does not report${inPart(part)} how it was done`]
      return ofPart.length > 0 ? [] : [`has no effect on chain${inPart(part)}; its own: ${others || "none"}`]
    }
    if (done.adopted) return adoptedWork(chain, job, part, done, ofPart)
    const { blockNumber, transactionHash } = done
    const effect = own.find(({ hash }) => hash === transactionHash)
    if (effect === undefined) {
      const where = row.parts === undefined ? "" : inPart(part)
      return [`names ${transactionHash}${where}, which has no effect on chain; its own: ${others || "none"}`]
    }
    return [
      ...(row.parts === undefined || effect.part === part
        ? []
        : [`names ${transactionHash}${inPart(part)}, which is of ${effect.part}`]),
      ...(part === last && effect.effects.some((one) => one.id !== (result.bucketId ?? result.fileId))
        ? [
          `names the ${contractEvents[row.effect(part) ?? ""]?.about} ${
            result.bucketId ?? result.fileId
          }, but ${effect.hash} is about another one`
        ]
        : []),
      ...(effect.blockNumber === blockNumber
        ? []
        : [`names block ${blockNumber}, but ${effect.hash} is in block ${effect.blockNumber}`])
    ]
  })
  return [...extra, ...found]
}

/** What is wrong with a part that is said to be done by another transaction than one of the job's. */
const adoptedWork = (
  chain: World["chain"],
  job: Job,
  part: string,
  { transactionHash }: Done,
  own: ReadonlyArray<OwnEffect>
): ReadonlyArray<string> => {
  const { effect, idOf } = rowOf(job.operation)
  const [wanted, id] = [effect(part), idOf?.({ ...job.request, owner: job.owner }) ?? job.result?.bucketId]
  // Which of a file's chunks a transaction has added, the contract does not report.
  if (own.length > 0 && wanted !== "chunkAdded") {
    return [`is called adopted${inPart(part)}, but is its own work: ${own.map(({ hash }) => hash).join(", ")}`]
  }
  const about = chain.effects.filter((one) => one.id === id)
  // Of a bucket from before the chain's logs it is known that it is there, or was deleted.
  const isDone = transactionHash === undefined
    ? about.some(({ kind }) => kind === wanted) || (idOf === undefined && isKnown(chain, job, about.length))
    : about.some((one) => one.kind === wanted && one.transactionHash === transactionHash)
  return isDone
    ? []
    : [`is called adopted${inPart(part)}, and ${contractEvents[wanted ?? ""]?.about} ${id} was never ${wanted}`]
}
const isKnown = ({ existing }: World["chain"], { bucketName }: Job, effects: number): boolean =>
  effects > 0 || existing.get(bucketName) === true

const checkNoEffect = (
  { chain }: World,
  claims: ReadonlyArray<Claim>,
  effects: ReturnType<typeof effectsByJob>
): ReadonlyArray<Violation> => {
  const report = violation("noEffect")
  const found: Array<Violation> = []
  for (const [job, own] of effects) {
    if (job.status !== "failed" && job.status !== "cancelled") continue
    for (const { hash, nonce, part } of leftBy(own)) {
      found.push(report(`${nameOf(job)} has the effect of ${hash} (nonce ${nonce})${inPart(part)}`))
    }
    for (const { jobId, nonce, transactionHash } of claims) {
      if (jobId === job.id && nonce >= chain.minedCount) {
        found.push(report(`${nameOf(job)} has ${transactionHash}, whose nonce ${nonce} may still be mined`))
      }
    }
  }
  return found
}

/**
 * The effects that a job which is not completed has left. It may have deleted the file that it was to replace, which can't be taken
 * back; what it has put in its place, it has deleted behind all else that it did.
 */
const leftBy = (own: ReadonlyArray<OwnEffect>): ReadonlyArray<OwnEffect> => {
  const undone = own.find(({ part }) => part === undo)
  const others = own.filter(({ part }) => part !== undo && part !== "delete")
  // It can't have taken back a file that was complete, or that it did not begin.
  const isTakenBack = undone !== undefined && others.some(({ part }) => part === "create")
    && others.every(({ nonce, part }) => part !== "commit" && nonce < undone.nonce)
  return isTakenBack ? [] : [...others, ...undone === undefined ? [] : [undone]]
}

/** The files of the log are those of the chain, and what clients have read is what was uploaded. */
const checkFiles = ({ chain, notes }: World, { files, jobs }: Folded): ReadonlyArray<Violation> => {
  const found: Array<string> = []
  const settled = new Map(
    Array.from(jobs.values()).filter(({ operation }) => operations[operation].kind === "file")
      .map((job) => [rowOf(job.operation).idOf?.({ ...job.request, owner: job.owner }) ?? "", job])
  )
  for (const [id, job] of settled) {
    if (!isTerminal(job)) continue
    const [onChain, file] = [chain.files.get(id), files.get(id)]
    const where = `against the log's ${nameOf(job)}`
    if (onChain === undefined || file === undefined) {
      if (onChain !== undefined) {
        found.push(
          `the contract has file ${id}, ${onChain.rootCid === "" ? "not committed" : onChain.rootCid}, ${where}`
        )
      }
      if (file !== undefined) found.push(`the contract has not file ${id}, ${where}`)
      continue
    }
    const uploaded = jobs.get(file.jobId)
    const wanted = {
      rootCid: file.rootCid,
      size: file.size,
      chunks: uploaded === undefined
        ? onChain.chunks
        : rowOf(uploaded.operation).parts?.(uploaded.request).filter((part) => part.startsWith("chunk.")).length,
      isPublic: file.isPublic
    }
    for (const [field, value] of Object.entries(wanted)) {
      const actual = Object.entries(onChain).find(([one]) => one === field)?.[1]
      if (actual !== value) found.push(`file ${id} has ${field} ${actual} on chain, not ${value}, ${where}`)
    }
  }
  const roots = new Map(
    Array.from(jobs.values(), (job) => [`${job.bucketName}/${job.fileName} ${job.result?.rootCid}`, job.request.sha256])
  )
  for (const { answer, file, name, request } of notes) {
    if (request !== "fetch" || answer?.sha256 === undefined) continue
    const wanted = roots.get(`${name}/${file} ${answer.root}`)
    if (answer.status === 200 && answer.sha256 !== wanted) {
      found.push(`${name}/${file} was read as bytes with the SHA-256 ${answer.sha256}, not ${wanted} of ${answer.root}`)
    }
  }
  const read = new Map(
    notes.filter(({ request }) => request === "fetch").map((note) => [`${note.name}/${note.file}`, note])
  )
  for (const { bucketName, jobId, name, rootCid } of notes.length > 0 ? files.values() : []) {
    const answer = read.get(`${bucketName}/${name}`)?.answer
    if (answer?.status !== 200 || answer.root !== rootCid) {
      found.push(
        `${bucketName}/${name} of job ${jobId} could not be read at the end: ${
          answer === undefined ? "no answer" : `${answer.status} ${answer.body.slice(0, 200)} ${answer.root ?? ""}`
        }`
      )
    }
  }
  return found.map(violation("files"))
}

/** A put may take so long: 24 times the suite's STAGING_GRACE. */
const longestPutMillis = 480_000
/** The bytes of a download may stay so much longer than they are kept: until the next sweep. */
const sweepMillis = 15_000

/** Whether something may be in the staging store at a time: a job needs it, or its put may be under way for all that the gateways know. */
export const mayBeStaged = ({ jobs }: Pick<Folded, "jobs">, at: number): (name: string) => boolean => {
  const needed = new Set(
    Array.from(jobs.values()).flatMap((job) =>
      !isTerminal(job) || Date.parse(job.result?.expiresAt ?? "") + sweepMillis > at ? [String(job.request.staged)] : []
    )
  )
  return (name) => needed.has(name) || at - Number(/\.(\d+)\.part$/.exec(name)?.[1] ?? 0) < longestPutMillis
}

const checkStaging = ({ observedAt, staged }: World, folded: Folded): ReadonlyArray<Violation> => {
  const { jobs } = folded
  const isFine = mayBeStaged(folded, observedAt)
  const owners = new Map(Array.from(jobs.values(), (job) => [String(job.request.staged), job]))
  return staged.filter((name) => !isFine(name)).map((name) => {
    const job = owners.get(name.slice(0, 36))
    return violation("staging")(`${name} is still staged${job === undefined ? ", for no job" : `, for ${nameOf(job)}`}`)
  })
}

const checkReadModel = (
  { log, readModel }: World,
  { buckets, deliveries, files, jobs, webhooks }: Folded
): ReadonlyArray<Violation> => {
  const report = violation("readModel")
  const wantedFiles = Array.from(files.values(), (file) => ({
    file_id: file.fileId,
    owner: file.owner,
    bucket_name: file.bucketName,
    name: file.name,
    root_cid: file.rootCid,
    size: file.size,
    encoded_size: file.encodedSize,
    sha256: file.sha256,
    content_type: file.contentType,
    encryption: file.encryption,
    key_id: file.keyId,
    name_on_wire: file.nameOnWire,
    parity_blocks: file.parityBlocks,
    is_public: file.isPublic,
    tenant: file.tenant,
    job_id: file.jobId,
    created_at: file.createdAt,
    revision: file.revision
  }))
  const wantedJobs = [...jobs.values()].map((job) => ({
    id: job.id,
    operation: job.operation,
    bucket_name: job.bucketName,
    file_name: job.fileName,
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
    ...differences("files", "file_id", wantedFiles, readModel.files),
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

/** A step of a job that the log holds twice: of each attempt one start and one failure, of each transaction one submission, of each part one end. */
const repeated = (events: ReadonlyArray<Event>): ReadonlyArray<string> => {
  const seen = new Set<string>()
  return events.flatMap(({ data, jobId, sequence, step, type }) => {
    const key = [jobId, step, step === "submitted" ? data.transactionHash : data.part ?? data.attempt].join(" ")
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
const requestOf = {
  create: "bucket.create",
  delete: "bucket.delete",
  upload: "file.upload",
  remove: "file.delete",
  share: "file.access",
  download: "file.download"
} as const satisfies Record<string, Operation>
type Asking = keyof typeof requestOf
const isAsking = (request: string): request is Asking => Object.hasOwn(requestOf, request)
/** What a request asks for, and a job is for: by names, which hold no spaces, and, of what is uploaded, by its bytes. */
const askedFor = (request: string, name: string, file: string | null | undefined, sha256?: string): string =>
  [request, name, ...file == null ? [] : [file], ...request === "upload" ? [sha256] : []].join(" ")

/**
 * Refusals for what may be otherwise a moment later, which store nothing: a gateway's clock is off, a body did not come or not as it was
 * sent, or too much is staged.
 */
const passing = new Set(["clock_skew", "incomplete_body", "request_timeout", "too_many_staged_bytes"])

const isCancelled = (body: string): boolean => body === "" || JSON.parse(body).status === "cancelled"

const checkClient = ({ notes }: World, { events, jobs }: Folded): ReadonlyArray<Violation> => {
  const report = violation("client")
  const requests = new Map(Object.entries(requestOf).map(([request, operation]) => [operation, request]))
  const stored = new Map<string, ReadonlyArray<string>>()
  const keyOfJob = ({ bucketName, fileName, operation, request }: Job) =>
    askedFor(requests.get(operation) ?? operation, bucketName, fileName, request.sha256)
  for (const { jobId, step } of events) {
    const job = step === "requested" ? jobs.get(jobId) : undefined
    if (job !== undefined) stored.set(keyOfJob(job), [...stored.get(keyOfJob(job)) ?? [], jobId])
  }
  const keyOfNote = ({ file, name, request, sha256 }: Note) => askedFor(request, name, file, sha256)
  const asked = Map.groupBy(notes, keyOfNote)

  const found: Array<string> = []
  for (const note of notes) {
    const { answer, jobId = "", request } = note
    const key = keyOfNote(note)
    if (answer?.status === 500) found.push(`${key} was answered with 500: ${answer.body.slice(0, 200)}`)
    const job = jobs.get(jobId)
    if (isAsking(request) && answer?.status === 202 && !stored.get(key)?.includes(answer.jobId ?? "")) {
      found.push(`${key} was answered with 202 and job ${answer.jobId}, which the log has not`)
    }
    if (request === "cancel") {
      // A job that has begun first takes back what it has done, and is completed where that was all.
      if (answer?.status === 200 && job?.status !== "cancelled" && !(job?.isAbandoned && !isCancelled(answer.body))) {
        found.push(`job ${jobId} was reported cancelled, and is ${job?.status}`)
      }
      if (answer?.status === 409 && job?.status === "cancelled") {
        found.push(`job ${jobId} was reported not cancellable, and is cancelled`)
      }
    }
    if ((request === "cancel" || request === "read") && answer?.status === 404) {
      found.push(`job ${jobId} was accepted, and ${request} was answered that there is none`)
    }
  }
  for (const [key, same] of asked) {
    if (!isAsking(same[0]?.request ?? "")) continue
    // A request that was refused for what it says is not stored; any other may be, once. Those with one key are one request.
    const mayBeStored = new Set(
      same.filter(({ answer }) => answer === undefined || answer.status === 202 || answer.status >= 500)
        .map((note) => note.key ?? note)
    ).size
    const isStored = stored.get(key)?.length ?? 0
    if (isStored > mayBeStored) {
      found.push(
        `${key} was asked ${same.length} times, of which ${mayBeStored} may be stored, and is stored ${isStored} times`
      )
    }
  }
  for (const [key, same] of Map.groupBy(notes, ({ key }) => key)) {
    if (key === undefined) continue
    const answered = same.flatMap(({ answer }) =>
      answer !== undefined && answer.status < 500 && !passing.has(answer.code ?? "") ? [answer] : []
    )
    const ends = new Set(answered.map(({ jobId, status }) => `${status} with job ${jobId}`))
    if (ends.size > 1) found.push(`the requests with key ${key} were answered differently: ${[...ends].join(", ")}`)
  }
  for (const job of notes.length > 0 ? jobs.values() : []) {
    if (!asked.has(keyOfJob(job))) {
      found.push(`${job.operation} job ${job.id} for ${job.fileName ?? job.bucketName} was never asked for`)
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
