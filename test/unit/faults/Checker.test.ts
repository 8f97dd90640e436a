/** A checker that can't fail is worth nothing: each invariant is broken by hand once, and must be found broken. */
import * as HashChain from "@akave-async/eventing/HashChain"
import { assert, describe, it } from "@effect/vitest"
import { Struct } from "effect"
import { generateKeyPairSync, sign } from "node:crypto"
import { check, type Rule } from "../../faults/src/Checker.ts"
import { fold } from "../../faults/src/Fold.ts"
import type { Message, Note, World } from "../../faults/src/World.ts"

const owner = "0xAAAAaaaaAAAAaaaaAAAAaaaaAAAAaaaaAAAAaaaa"
const begun = Date.parse("2026-01-01T00:00:00.000Z")
const at = (second: number) => new Date(begun + second * 1000).toISOString()
const hashOf = (nonce: number) => `0x${`${nonce}`.padStart(64, "0")}`
const bucketOf = (name: string) => `0x${Buffer.from(name).toString("hex").padEnd(64, "0")}`
const error = { category: "reverted", code: "Reverted", message: "It was refused" }

interface Fact {
  readonly type: string
  readonly version?: number
  readonly name: string
  readonly jobId?: string
  /** Where it is not the one of the name. */
  readonly subject?: string
  readonly fields?: Readonly<Record<string, unknown>>
}

/** What a job that was mined with a nonce has in the log. */
const steps = (
  kind: "" | "Deletion",
  end: "Created" | "Deleted",
  jobId: string,
  name: string,
  nonce: number
): ReadonlyArray<Fact> => [
  { type: `Bucket${kind}Requested`, name, jobId, fields: { name, owner } },
  { type: `Bucket${kind}Started`, name, jobId, fields: { attempt: 1 } },
  { type: `Bucket${kind}Submitted`, name, jobId, fields: { transactionHash: hashOf(nonce), nonce, signer: owner } },
  {
    type: `Bucket${end}`,
    name,
    jobId,
    fields: {
      bucketId: bucketOf(name),
      transactionHash: hashOf(nonce),
      blockNumber: 10 + nonce,
      gasUsed: 100,
      adopted: false
    }
  }
]

const facts: ReadonlyArray<Fact> = [
  ...steps("", "Created", "job-a", "aaa", 0),
  ...steps("", "Created", "job-b", "bbb", 1),
  ...steps("Deletion", "Deleted", "job-d", "bbb", 2),
  { type: "BucketRequested", name: "ccc", jobId: "job-c", fields: { name: "ccc", owner } },
  { type: "BucketCancelled", name: "ccc", jobId: "job-c", fields: { cancelledBy: "a client", reason: "On request" } },
  // Its transaction was mined and reverted.
  ...steps("", "Created", "job-e", "eee", 3).slice(0, 3),
  { type: "BucketFailed", name: "eee", jobId: "job-e", fields: { error, attempts: 1 } },
  { type: "BucketRequested", name: "fff", jobId: "job-f", fields: { name: "fff", owner } },
  { type: "BucketStarted", name: "fff", jobId: "job-f", fields: { attempt: 1 } },
  { type: "BucketCreated", name: "fff", jobId: "job-f", fields: { bucketId: bucketOf("fff"), adopted: true } },
  // Events that could not be processed, one of them of a job.
  { type: "DeadLettered", name: "", subject: "dead-letter.7", fields: { sequence: 7 } },
  { type: "DeadLetterRedriven", name: "", subject: "dead-letter.7", fields: { sequence: 7 } },
  { type: "DeadLettered", name: "", subject: "dead-letter.8", jobId: "job-b", fields: { sequence: 8 } }
]

const subjectOf = (name: string) => `bucket.${owner.toLowerCase()}.${name.replaceAll(".", "_")}`

const messagesOf = (facts: ReadonlyArray<Fact>): ReadonlyArray<Message> =>
  facts.map(({ fields, jobId, name, subject = subjectOf(name), type, version = 1 }, n) => ({
    sequence: n + 1,
    subject,
    headers: [["Nats-Msg-Id", `${n}`], ["ce-id", `${jobId}.${n}`], ["ce-type", `akave.${type}.v${version}`]],
    data: Buffer.from(JSON.stringify({ jobId, occurredAt: at(n), ...fields })),
    storedAt: begun + n * 1000
  }))

const entryOf = (type: string, fields: Readonly<Record<string, unknown>>, n: number): Message => ({
  sequence: n + 1,
  subject: `${fields["jobId"] ?? "opened"}`,
  headers: [["ce-type", `akave.${type}.v1`]],
  data: Buffer.from(JSON.stringify(fields)),
  storedAt: begun + n * 1000
})
const ledgerOf = (
  claims: ReadonlyArray<readonly [jobId: string, nonce: number, part?: string]>
): ReadonlyArray<Message> =>
  claims.map(([jobId, nonce, part], n) =>
    entryOf("NonceClaimed", { jobId, nonce, part, transactionHash: hashOf(nonce) }, n)
  )

/** The read model and the archive as they must be for this log. */
const readModelOf = (log: ReadonlyArray<Message>): World["readModel"] => {
  const { buckets, deliveries, files, jobs, webhooks } = fold(log)
  let hash = HashChain.genesis
  const archive = log.map((message) => {
    const headers = Object.fromEntries(message.headers.map(([name, value]) => [name.toLowerCase(), value]))
    const stored = { ...message, headers }
    hash = HashChain.over([stored], hash)
    return {
      sequence: message.sequence,
      subject: message.subject,
      headers: JSON.stringify(Object.entries(headers).toSorted(([a], [b]) => a < b ? -1 : 1)),
      data: Buffer.from(message.data).toString("hex")
    }
  })
  return {
    jobs: Array.from(jobs.values(), (job) => ({
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
    })),
    buckets: Array.from(buckets.values(), (bucket) => ({
      owner: bucket.owner,
      name: bucket.name,
      bucket_id: bucket.bucketId,
      tx_hash: bucket.transactionHash,
      job_id: bucket.jobId
    })),
    files: Array.from(files.values(), (file) => ({
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
    })),
    webhooks: Array.from(webhooks.values(), Struct.omit(["since"])),
    deliveries: [...deliveries.values()],
    archive,
    checkpoint: { sequence: log.length, hash: Buffer.from(hash).toString("hex") }
  }
}

const created = (name: string, jobId: string): Note => ({
  request: "create",
  name,
  sentAt: begun,
  answer: { status: 202, jobId, body: JSON.stringify({ job_id: jobId }) }
})

const transactionOf = (nonce: number, ...effects: World["chain"]["transactions"][number]["effects"]) => ({
  hash: hashOf(nonce),
  nonce,
  blockNumber: 10 + nonce,
  minedAt: begun + (1 + nonce) * 1000,
  effects
})
const creation = (name: string) => ({ kind: "created", id: bucketOf(name) }) as const
const deletion = (name: string) => ({ kind: "deleted", id: bucketOf(name) }) as const

const chainOf = (
  transactions: World["chain"]["transactions"],
  existing: Readonly<Record<string, boolean>> = { aaa: true, bbb: false, ccc: false, eee: false, fff: true }
): World["chain"] => ({
  transactions,
  effects: transactions.flatMap(({ effects, hash }) => effects.map((one) => ({ ...one, transactionHash: hash }))),
  minedCount: transactions.length,
  pendingCount: transactions.length,
  existing: new Map(Object.entries(existing)),
  files: new Map()
})

const transactions = [
  transactionOf(0, creation("aaa")),
  transactionOf(1, creation("bbb")),
  transactionOf(2, deletion("bbb")),
  transactionOf(3)
]
const claims = [["job-a", 0], ["job-b", 1], ["job-d", 2], ["job-e", 3]] as const

const withLog = (facts: ReadonlyArray<Fact>): Pick<World, "log" | "readModel"> => {
  const log = messagesOf(facts)
  return { log, readModel: readModelOf(log) }
}

const sound: World = {
  ...withLog(facts),
  ledger: ledgerOf(claims),
  // Each job begins when the one before it has ended.
  maxInFlight: 1,
  chain: chainOf(transactions),
  notes: [
    created("aaa", "job-a"),
    created("bbb", "job-b"),
    created("ccc", "job-c"),
    created("eee", "job-e"),
    // No answer came, and the request is stored all the same.
    { request: "create", name: "fff", sentAt: begun },
    { ...created("bbb", "job-d"), request: "delete" },
    { request: "cancel", name: "ccc", jobId: "job-c", sentAt: begun, answer: { status: 200, body: "" } },
    { request: "cancel", name: "aaa", jobId: "job-a", sentAt: begun, answer: { status: 409, body: "" } }
  ],
  staged: [],
  received: [],
  texts: [{ where: "gateway.log", text: "ready" }],
  secrets: [{ name: "the key", value: "5ecre7" }],
  faultEndedAt: begun,
  observedAt: begun + 60_000
}

const without = (facts: ReadonlyArray<Fact>, type: string, jobId: string) =>
  facts.filter((fact) => fact.type !== type || fact.jobId !== jobId)
const changed = (type: string, jobId: string, fields: Fact["fields"]) =>
  facts.map((fact) =>
    fact.type === type && fact.jobId === jobId ? { ...fact, fields: { ...fact.fields, ...fields } } : fact
  )
const { archive, checkpoint } = sound.readModel
const noteOf = (note: Partial<Note>): Note => ({ request: "create", name: "aaa", sentAt: begun, ...note })

it("finds nothing wrong with a sound world", () => {
  assert.deepStrictEqual(check(sound), [])
})

it("knows all that the ledger holds", () => {
  const forgone = entryOf("ClaimForgone", { jobId: "job-f", nextNonce: 4 }, claims.length + 1)
  const opened = entryOf("WalletOpened", { nextNonce: 0 }, 0)
  const replaced = entryOf("TransactionReplaced", { nonce: 3, transactionHash: hashOf(3) }, claims.length + 2)
  assert.deepStrictEqual(check({ ...sound, ledger: [opened, ...sound.ledger, forgone, replaced] }), [])
})

it("knows the subject of a name with dots", () => {
  const dotted = [...facts, ...steps("", "Created", "job-g", "g.g.g", 4)]
  const found = check({
    ...sound,
    ...withLog(dotted),
    ledger: ledgerOf([...claims, ["job-g", 4]]),
    chain: chainOf([...transactions, transactionOf(4, creation("g.g.g"))], {
      ...Object.fromEntries(sound.chain.existing),
      "g.g.g": true
    }),
    notes: [...sound.notes, created("g.g.g", "job-g")]
  })
  assert.deepStrictEqual(found, [])
})

/** A job whose work is done in two parts. */
const parted: World = {
  ...sound,
  ...withLog([
    ...facts,
    ...steps("", "Created", "job-p", "ppp", 5).flatMap((fact) =>
      fact.type === "BucketSubmitted"
        ? [4, 5].map((nonce) => ({
          ...fact,
          fields: { ...fact.fields, nonce, transactionHash: hashOf(nonce), part: nonce === 4 ? "create" : "commit" }
        }))
        : [fact]
    )
  ]),
  ledger: ledgerOf([...claims, ["job-p", 4, "create"], ["job-p", 5, "commit"]]),
  chain: chainOf([...transactions, transactionOf(4, creation("ppp")), transactionOf(5, creation("ppp"))], {
    ...Object.fromEntries(sound.chain.existing),
    ppp: true
  }),
  notes: [...sound.notes, created("ppp", "job-p")]
}

it("lets each part of a job have its effect", () => {
  assert.deepStrictEqual(check(parted), [])
})

/** Jobs asked for one after the other, all of which began before the first ended. */
const overlapping = (order: ReadonlyArray<string>) => {
  const jobs = order.map((name) => steps("", "Created", `job-${name}`, name, 0))
  const asked = jobs.flatMap(([requested]) => requested ?? []).toSorted((a, b) => a.name < b.name ? -1 : 1)
  return [
    ...asked,
    ...jobs.flatMap(([, started]) => started ?? []),
    ...jobs.flatMap(([, , , completed]) => completed ?? [])
  ]
}
const ofLanes = (maxInFlight: number, facts: ReadonlyArray<Fact>) =>
  check({ ...sound, ...withLog(facts), maxInFlight }).filter(({ rule }) => rule === "inFlight" || rule === "order")

describe("what has begun is finished first:", () => {
  const [a, b] = ["aaa", "bbb"].map((name, n) => steps("", "Created", `job-${name}`, name, n))
  const facts = [a?.[0], b?.[0], b?.[1], b?.[3], a?.[1], a?.[3]].flatMap((fact) => fact ?? [])

  it("as many jobs as the limit are in flight", () => {
    assert.deepStrictEqual(ofLanes(3, overlapping(["aaa", "bbb", "ccc"])), [])
  })

  it("one more is found", () => {
    const found = ofLanes(2, overlapping(["aaa", "bbb", "ccc"]))
    assert.deepStrictEqual(found.map(({ rule }) => rule), ["inFlight", "order"])
    assert.match(found[0]?.evidence ?? "", /^3 jobs of 0xa+ were begun and not ended at event 6; the limit is 2$/)
  })

  it("a job overtakes fewer than the limit", () => {
    assert.deepStrictEqual(ofLanes(2, facts), [])
  })

  it("one that overtakes more is found, also where few are in flight", () => {
    const found = ofLanes(1, facts)
    assert.deepStrictEqual(found.map(({ rule }) => rule), ["order"])
    assert.match(
      found[0]?.evidence ?? "",
      /^1 jobs of 0xa+ began too early: at event 3 job job-bbb did, .* job-aaa the/
    )
  })

  it("a job keeps its place when it is attempted again", () => {
    const again = [
      { type: "BucketAttemptFailed", name: "aaa", jobId: "job-aaa", fields: { attempt: 1, error } },
      { type: "BucketStarted", name: "aaa", jobId: "job-aaa", fields: { attempt: 2 } }
    ]
    const begun = [a?.[0], b?.[0], a?.[1]].flatMap((fact) => fact ?? [])
    const rest = [b?.[1], a?.[3], b?.[3]].flatMap((fact) => fact ?? [])
    assert.deepStrictEqual(ofLanes(2, [...begun, ...again, ...rest]), [])
    assert.lengthOf(ofLanes(1, [...begun, ...again, ...rest]), 2)
  })

  it("a cancelled job is in nobody's way", () => {
    const cancelled = { type: "BucketCancelled", name: "aaa", jobId: "job-aaa", fields: { reason: "On request" } }
    const [requested, ...rest] = facts
    assert.isDefined(requested)
    if (requested === undefined) return
    assert.deepStrictEqual(ofLanes(1, [requested, cancelled, ...rest.slice(0, 3)]), [])
  })

  it("a job that was set aside is in nobody's way", () => {
    const dead = {
      type: "DeadLettered",
      name: "",
      subject: "dead-letter.1",
      jobId: "job-aaa",
      fields: { sequence: 1 }
    }
    assert.deepStrictEqual(ofLanes(1, [...facts.slice(0, 1), dead, ...facts.slice(1)]), [])
  })

  it("each owner's jobs have a limit of their own", () => {
    const other = `0x${"bb".repeat(20)}`
    const ofOther = facts.map((fact) =>
      fact.name === "bbb"
        ? { ...fact, subject: `bucket.${other}.bbb`, fields: { ...fact.fields, owner: other } }
        : fact
    )
    assert.deepStrictEqual(ofLanes(1, ofOther), [])
  })
})

it("reads jobs and buckets from the raw log", () => {
  const { buckets, jobs } = fold(sound.log)
  assert.deepStrictEqual(jobs.get("job-e"), {
    id: "job-e",
    operation: "bucket.create",
    bucketName: "eee",
    fileName: null,
    owner,
    request: { jobId: "job-e", occurredAt: at(14), name: "eee", owner },
    subject: subjectOf("eee"),
    status: "failed",
    attempts: 1,
    transactionHash: hashOf(3),
    error,
    result: null,
    done: new Map(),
    isAbandoned: false,
    createdAt: at(14),
    updatedAt: at(17),
    revision: 18,
    endedAt: begun + 17_000
  })
  assert.deepStrictEqual(Array.from(jobs.values(), ({ operation, status }) => `${operation} ${status}`), [
    "bucket.create completed",
    "bucket.create completed",
    "bucket.delete completed",
    "bucket.create cancelled",
    "bucket.create failed",
    "bucket.create completed"
  ])
  assert.deepStrictEqual(Array.from(buckets.values(), ({ jobId, name }) => [jobId, name]), [
    ["job-a", "aaa"],
    ["job-f", "fff"]
  ])
})

/** The sound log with one event more. */
const withEvent = (fact: Partial<Fact>) =>
  withLog([...facts, { type: "BucketStarted", name: "aaa", jobId: "job-a", ...fact }])
const withEntry = (type: string, fields: Readonly<Record<string, unknown>>): Partial<World> => ({
  ledger: [...sound.ledger, entryOf(type, fields, claims.length)]
})

const signer = generateKeyPairSync("ed25519")
/** A record of a checkpoint behind all events of the log, which states this hash of them. */
const checkpointOf = (hash: string, sign: (text: Buffer) => Buffer): Message => {
  const [sequence, occurredAt] = [sound.log.length, at(sound.log.length)]
  const text = Buffer.from(`akave-async checkpoint v1\n${sequence}\n${hash}\n${occurredAt}\n`)
  const publicKey = Buffer.from(signer.publicKey.export({ format: "jwk" }).x ?? "", "base64url").toString("base64")
  const fields = { sequence, hash, occurredAt, publicKey, signature: sign(text).toString("base64") }
  return { ...entryOf("CheckpointSigned", fields, sequence), subject: "log.checkpoints" }
}

const withRecord = (record: Message) => {
  const log = [...sound.log, record]
  return { log, readModel: readModelOf(log) }
}

it("a checkpoint of the log that its key has signed is as it must be", () => {
  const record = checkpointOf(checkpoint.hash, (text) => sign(null, text, signer.privateKey))
  assert.deepStrictEqual(check({ ...sound, ...withRecord(record) }), [])
})

const broken: ReadonlyArray<readonly [sentence: string, rule: Rule, evidence: RegExp, change: Partial<World>]> = [
  [
    "an event of an unknown kind",
    "known",
    /event 25 \("akave.FolderRequested.v1"\) on folder\.0xaa\.one is of no known kind/,
    withEvent({ type: "FolderRequested", subject: "folder.0xaa.one" })
  ],
  [
    "an event of a known type on an unknown kind's subject",
    "known",
    /BucketStarted.* is of no known kind/,
    withEvent({ subject: `buckets.${owner.toLowerCase()}.aaa` })
  ],
  [
    "an event of an unknown type",
    "known",
    /"akave.BucketRenamed.v1".* is of no known type of its kind/,
    withEvent({ type: "BucketRenamed" })
  ],
  [
    "an event of an unknown version",
    "known",
    /"akave.BucketStarted.v2".* is of no known type/,
    withEvent({ version: 2 })
  ],
  [
    "an event of another kind than its subject's",
    "known",
    /DeadLettered.* on bucket.* is of no known type of its kind/,
    withEvent({ type: "DeadLettered", fields: { sequence: 1 } })
  ],
  [
    "an event of a job where the log's dead letters are",
    "known",
    /BucketStarted.* on dead-letter.1 is of no known type of its kind/,
    withEvent({ subject: "dead-letter.1" })
  ],
  [
    "a dead letter on the subject of another one",
    "known",
    /on dead-letter.1 is about dead-letter.2/,
    withEvent({ type: "DeadLettered", subject: "dead-letter.1", fields: { sequence: 2 } })
  ],
  [
    "an event on the subject of another bucket",
    "known",
    /event 25 \(BucketStarted\) of job job-a is on bucket\.0xa+\.bbb, and not on bucket\.0xa+\.aaa/,
    withEvent({ name: "bbb" })
  ],
  [
    "a request on a subject with the owner as it is written",
    "known",
    /BucketRequested\) of job job-g is on bucket\.0xAAAAaaaa/,
    withEvent({
      type: "BucketRequested",
      name: "ggg",
      jobId: "job-g",
      subject: `bucket.${owner}.ggg`,
      fields: { name: "ggg", owner }
    })
  ],
  [
    "a request on a subject with the name's dots",
    "known",
    /and not on bucket\.0xa+\.g_g$/,
    withEvent({
      type: "BucketRequested",
      name: "ggg",
      jobId: "job-g",
      subject: `bucket.${owner.toLowerCase()}.g.g`,
      fields: { name: "g.g", owner }
    })
  ],
  ["an event that names no job", "known", /event 25 .* names no job/, withEvent({ fields: { jobId: null } })],
  [
    "an event of a part without a name",
    "known",
    /event 25 .* has a part without a name/,
    withEvent({ fields: { part: "" } })
  ],
  [
    "an event that is no JSON",
    "known",
    /event 1 .* holds no JSON object/,
    (() => {
      const log = sound.log.map((message, n) => n === 0 ? { ...message, data: Buffer.from("{") } : message)
      return { log, readModel: readModelOf(log) }
    })()
  ],
  [
    "an entry of the ledger of an unknown type",
    "known",
    /entry 5 \("akave.NonceLent.v1"\) of the ledger is of no known type/,
    withEntry("NonceLent", { jobId: "job-a" })
  ],
  [
    "a claim that is nobody's",
    "known",
    /entry 5 .* holds no transaction of a job/,
    withEntry("NonceClaimed", { nonce: 3, transactionHash: hashOf(3) })
  ],
  [
    "a replacement without a transaction",
    "known",
    /entry 5 .* holds no transaction/,
    withEntry("TransactionReplaced", { jobId: "job-e", nonce: 3 })
  ],
  [
    "an event of the contract that is not known",
    "known",
    /the contract reports 0xabc in 0x0+3/,
    { chain: chainOf([...transactions.slice(0, 3), transactionOf(3, { kind: "0xabc", id: "" })]) }
  ],
  [
    "a job whose transactions both had an effect in one part",
    "effects",
    /job-p .*has 2 effects in create/,
    { ...parted, ledger: ledgerOf([...claims, ["job-p", 4, "create"], ["job-p", 5, "create"]]) }
  ],
  [
    "a completed job with a part that had no effect",
    "effects",
    /job-p .*has no effect on chain in create/,
    {
      ...parted,
      chain: chainOf([...parted.chain.transactions.slice(0, 4), transactionOf(4), transactionOf(5, creation("ppp"))])
    }
  ],
  [
    "a job with a transaction of no part beside those of its parts",
    "effects",
    /job-p .*has a transaction without a part beside create, commit/,
    { ...parted, ledger: ledgerOf([...claims, ["job-p", 4, "create"], ["job-p", 5, "commit"], ["job-p", 6]]) }
  ],
  [
    "two parts of a job with one nonce",
    "nonces",
    /nonce 4 belongs to 2 jobs or parts of jobs: create of job-p, commit of job-p/,
    { ...parted, ledger: ledgerOf([...claims, ["job-p", 4, "create"], ["job-p", 4, "commit"]]) }
  ],
  [
    "an accepted job without an end",
    "terminal",
    /job-c.*answered with 202/,
    {
      ...withLog(without(facts, "BucketCancelled", "job-c")),
      notes: sound.notes.filter(({ request }) => request !== "cancel")
    }
  ],
  [
    "a job whose two transactions both had an effect",
    "effects",
    /job-a .*has 2 effects/,
    {
      ledger: ledgerOf([...claims, ["job-a", 4]]),
      chain: chainOf([...transactions, transactionOf(4, creation("aaa"))])
    }
  ],
  [
    "a completed job without an effect",
    "effects",
    /job-a .*no effect on chain/,
    { chain: chainOf([transactionOf(0), ...transactions.slice(1)]) }
  ],
  [
    "a completed job that names another transaction than its own",
    "effects",
    /job-a .*no effect on chain; its own: 0x0+ /,
    withLog(changed("BucketCreated", "job-a", { transactionHash: hashOf(9) }))
  ],
  [
    "a completed job that names another block",
    "effects",
    /job-a .*names block 77/,
    withLog(changed("BucketCreated", "job-a", { blockNumber: 77 }))
  ],
  [
    "a completed job that names another bucket",
    "effects",
    /names the bucket 0xff/,
    withLog(changed("BucketCreated", "job-a", { bucketId: "0xff" }))
  ],
  [
    "a job that is called adopted and did it itself",
    "effects",
    /job-a .*adopted/,
    withLog(changed("BucketCreated", "job-a", { adopted: true }))
  ],
  [
    "a job that is called adopted, and whose bucket was never there",
    "effects",
    /job-f .*never created/,
    { chain: { ...sound.chain, existing: new Map([...sound.chain.existing, ["fff", false]]) } }
  ],
  [
    "a job that adopts from a transaction that did not do it",
    "effects",
    /job-f .*never created/,
    withLog(changed("BucketCreated", "job-f", { transactionHash: hashOf(0) }))
  ],
  [
    "a job that deletes instead of creating",
    "effects",
    /job-a .*not asked/,
    { chain: chainOf([transactionOf(0, deletion("aaa")), ...transactions.slice(1)]) }
  ],
  [
    "an effect that belongs to no job",
    "effects",
    /of no job/,
    { chain: chainOf([...transactions, transactionOf(4, creation("zzz"))]) }
  ],
  [
    "receipts that the chain's log query does not know",
    "effects",
    /report 3 effects, its log query of 2/,
    { chain: { ...sound.chain, effects: sound.chain.effects.slice(1) } }
  ],
  [
    "a bucket that the contract does not have",
    "effects",
    /has not aaa/,
    { chain: chainOf(transactions, { aaa: false, bbb: false, ccc: false, eee: false, fff: true }) }
  ],
  [
    "a deleted bucket that the contract still has",
    "effects",
    /has bbb/,
    { chain: chainOf(transactions, { aaa: true, bbb: true, ccc: false, eee: false, fff: true }) }
  ],
  [
    "a failed job with an effect",
    "noEffect",
    /job-e .*has the effect/,
    { chain: chainOf([...transactions.slice(0, 3), transactionOf(3, creation("eee"))]) }
  ],
  [
    "a failed job whose transaction may still be mined",
    "noEffect",
    /job-e .*may still be mined/,
    { chain: chainOf(transactions.slice(0, 3)) }
  ],
  [
    "a job that the read model does not have",
    "readModel",
    /bucket_jobs has no row job-a/,
    { readModel: { ...sound.readModel, jobs: sound.readModel.jobs.slice(1) } }
  ],
  [
    "a job that the read model shows otherwise",
    "readModel",
    /bucket_jobs job-a differs: status is "failed", not "completed"/,
    {
      readModel: {
        ...sound.readModel,
        jobs: sound.readModel.jobs.map((row) => row.id === "job-a" ? { ...row, status: "failed" } : row)
      }
    }
  ],
  [
    "a job that only the read model has",
    "readModel",
    /row job-x/,
    {
      readModel: {
        ...sound.readModel,
        jobs: [...sound.readModel.jobs, ...sound.readModel.jobs.slice(0, 1).map((row) => ({ ...row, id: "job-x" }))]
      }
    }
  ],
  [
    "a bucket that is deleted and still shown",
    "readModel",
    /row bbb/,
    {
      readModel: {
        ...sound.readModel,
        buckets: [
          ...sound.readModel.buckets,
          ...sound.readModel.buckets.slice(0, 1).map((row) => ({ ...row, name: "bbb" }))
        ]
      }
    }
  ],
  [
    "a checkpoint behind the log",
    "readModel",
    /checkpoint is 3/,
    { readModel: { ...sound.readModel, checkpoint: { ...checkpoint, sequence: 3 } } }
  ],
  [
    "a gap in the wallet's nonces",
    "nonces",
    /transaction 3 is .* nonce 4/,
    { chain: chainOf([...transactions.slice(0, 3), { ...transactionOf(3), nonce: 4 }]) }
  ],
  [
    "a transaction of the chain's count that no block holds",
    "nonces",
    /blocks hold 4 transactions, and the chain counts 5/,
    { chain: { ...sound.chain, minedCount: 5, pendingCount: 5 } }
  ],
  ["a transaction that waits for ever", "nonces", /1 transactions .*pool/, {
    chain: { ...sound.chain, pendingCount: 5 }
  }],
  [
    "a claim that was never mined",
    "nonces",
    /nonce 4 .*never mined/,
    { ledger: ledgerOf([...claims, ["job-a", 4]]), observedAt: begun + 5_000 }
  ],
  [
    "two jobs with one nonce in the ledger",
    "nonces",
    /nonce 1 belongs to 2 jobs/,
    { ledger: ledgerOf([...claims, ["job-a", 1]]) }
  ],
  [
    "two jobs with one nonce in the log",
    "nonces",
    /nonce 1 belongs to 2 jobs/,
    withLog(changed("BucketSubmitted", "job-a", { nonce: 1 }))
  ],
  [
    "a wallet that stood still",
    "nonces",
    /blocked for 30.0 s/,
    {
      chain: chainOf(transactions.map((one) => one.nonce === 3 ? { ...one, minedAt: one.minedAt + 29_000 } : one))
    }
  ],
  [
    "a wallet that still stands still",
    "nonces",
    /blocked for 56.0 s/,
    { ledger: ledgerOf([...claims, ["job-a", 4]]) }
  ],
  [
    "an event after the end of its job",
    "delivery",
    /BucketStarted\) of job job-c is out of place/,
    withLog([...facts, { type: "BucketStarted", name: "ccc", jobId: "job-c", fields: { attempt: 1 } }, {
      type: "BucketCancelled",
      name: "ccc",
      jobId: "job-c",
      fields: { reason: "On request" }
    }])
  ],
  [
    "a step that is reported twice",
    "delivery",
    /reports a step a second time/,
    withLog(facts.flatMap((fact) => fact.type === "BucketStarted" && fact.jobId === "job-f" ? [fact, fact] : [fact]))
  ],
  [
    "two events with one id",
    "delivery",
    /has the id of event 1/,
    {
      ...(() => {
        const log = sound.log.map((message) =>
          message.sequence === 2
            ? { ...message, headers: sound.log[0]?.headers.with(2, ["ce-type", "akave.BucketStarted.v1"]) ?? [] }
            : message
        )
        return { log, readModel: readModelOf(log) }
      })()
    }
  ],
  [
    "an event that was changed in the log",
    "hashChain",
    /data of event 1/,
    {
      log: sound.log.with(
        0,
        { ...messagesOf(facts)[0], data: Buffer.from(`${Buffer.from(sound.log[0]?.data ?? [])} `) } as Message
      )
    }
  ],
  [
    "an event that is not in the archive",
    "hashChain",
    /event 5 is not in the archive/,
    { readModel: { ...sound.readModel, archive: archive.filter(({ sequence }) => sequence !== 5) } }
  ],
  [
    "an archive with an event twice",
    "hashChain",
    /the archive has \d+ events of \d+/,
    { readModel: { ...sound.readModel, archive: [...archive, ...archive.slice(0, 1)] } }
  ],
  [
    "an archive with more than the log",
    "hashChain",
    /1 events that the log has not/,
    {
      readModel: {
        ...sound.readModel,
        archive: [...archive, ...archive.slice(0, 1).map((row) => ({ ...row, sequence: 99 }))]
      }
    }
  ],
  [
    "a signed checkpoint of another log",
    "hashChain",
    /the checkpoint of event \d+ is not of this log, or not signed/,
    withRecord(checkpointOf("0".repeat(64), (text) => sign(null, text, signer.privateKey)))
  ],
  [
    "a checkpoint that its key has not signed",
    "hashChain",
    /the checkpoint of event \d+ is not of this log, or not signed/,
    withRecord(checkpointOf(checkpoint.hash, () => Buffer.alloc(64)))
  ],
  [
    "a checkpoint with another hash",
    "hashChain",
    /checkpoint's hash/,
    { readModel: { ...sound.readModel, checkpoint: { ...checkpoint, hash: "00" } } }
  ],
  ["a secret in a log file", "secrets", /the key is in gateway.log/, {
    texts: [{ where: "gateway.log", text: "0x5ECRE7" }]
  }],
  [
    "a secret in an event",
    "secrets",
    /the key is in event 14/,
    withLog(changed("BucketCancelled", "job-c", { reason: "5ecre7" }))
  ],
  [
    "a secret in an answer",
    "secrets",
    /the answer to create aaa/,
    {
      notes: [
        ...sound.notes.slice(1),
        noteOf({ answer: { status: 202, jobId: "job-a", body: "5ecre7" } })
      ]
    }
  ],
  [
    "a job that was promised and is not in the log",
    "client",
    /create ggg .*the log has not/,
    { notes: [...sound.notes, created("ggg", "job-g")] }
  ],
  [
    "a request that is stored twice",
    "client",
    /create aaa was asked 1 times.*stored 2 times/,
    {
      ...withLog([
        ...facts,
        { type: "BucketRequested", name: "aaa", jobId: "job-2", fields: { name: "aaa", owner } },
        { type: "BucketStarted", name: "aaa", jobId: "job-2", fields: { attempt: 1 } },
        {
          type: "BucketCreated",
          name: "aaa",
          jobId: "job-2",
          fields: { bucketId: bucketOf("aaa"), adopted: true }
        }
      ])
    }
  ],
  [
    "a request that was refused and is stored",
    "client",
    /of which 0 may be stored, and is stored 1 times/,
    { notes: [...sound.notes.slice(1), noteOf({ answer: { status: 400, body: "" } })] }
  ],
  [
    "a request that is stored twice though its key was the same",
    "client",
    /create aaa was asked 2 times, of which 1 may be stored, and is stored 2 times/,
    {
      ...withLog([
        ...facts,
        { type: "BucketRequested", name: "aaa", jobId: "job-2", fields: { name: "aaa", owner } },
        { type: "BucketStarted", name: "aaa", jobId: "job-2", fields: { attempt: 1 } },
        { type: "BucketCreated", name: "aaa", jobId: "job-2", fields: { bucketId: bucketOf("aaa"), adopted: true } }
      ]),
      notes: [
        ...sound.notes.slice(1),
        noteOf({ key: "k", answer: { status: 202, jobId: "job-a", body: "" } }),
        noteOf({ key: "k", answer: { status: 202, jobId: "job-2", body: "" } })
      ]
    }
  ],
  [
    "requests with one key that were answered differently",
    "client",
    /with key k were answered differently: 202 with job job-a, 409 with job job-a/,
    {
      notes: [
        ...sound.notes.slice(1),
        noteOf({ key: "k", answer: { status: 202, jobId: "job-a", body: "" } }),
        noteOf({ key: "k", answer: { status: 409, jobId: "job-a", body: "" } })
      ]
    }
  ],
  ["a job that nobody asked for", "client", /never asked for/, { notes: sound.notes.slice(1) }],
  [
    "a cancellation that was promised and did not happen",
    "client",
    /job-a was reported cancelled/,
    { notes: [...sound.notes, noteOf({ request: "cancel", jobId: "job-a", answer: { status: 200, body: "" } })] }
  ],
  [
    "a cancellation that was refused and did happen",
    "client",
    /job-c was reported not cancellable/,
    { notes: [...sound.notes, noteOf({ request: "cancel", jobId: "job-c", answer: { status: 409, body: "" } })] }
  ],
  [
    "an accepted job that is not found",
    "client",
    /job-a was accepted, and read was answered that there is none/,
    { notes: [...sound.notes, noteOf({ request: "read", jobId: "job-a", answer: { status: 404, body: "" } })] }
  ],
  [
    "an answer that reports a defect",
    "client",
    /answered with 500/,
    { notes: [...sound.notes, noteOf({ request: "read", jobId: "job-a", answer: { status: 500, body: "" } })] }
  ]
]

describe("finds", () => {
  it.each(broken)("%s", (_, rule, evidence, change) => {
    const found = check({ ...sound, ...change })
    assert.isTrue(
      found.some((one) => one.rule === rule && evidence.test(one.evidence)),
      JSON.stringify(found, undefined, 1)
    )
  })
})

describe("webhooks", () => {
  const webhookId = "00112233445566aa"
  const subject = `webhook.${owner.toLowerCase()}.${webhookId}`
  const own = { webhookId, owner }
  const registered = { type: "WebhookRegistered", name: "", subject, fields: own }
  const attempted = {
    type: "DeliveryAttempted",
    name: "",
    subject: `delivery.local.${webhookId}.2`,
    fields: { webhookId, sequence: 2, attempt: 1, outcome: "succeeded" }
  }
  const happened = [registered, ...facts.slice(0, 4), attempted]
  const received = [2, 3, 4, 5].map((sequence) => ({ webhookId, messageId: `msg_${sequence}`, sequence }))
  const found = (facts: ReadonlyArray<Fact>, change: Partial<World> = {}) =>
    check({ ...sound, ...withLog(facts), received, ...change })
      .filter(({ rule }) => rule === "webhooks" || rule === "known" || rule === "readModel")
      .map(({ evidence }) => evidence)

  it("that were sent all events, also twice, are sound", () => {
    assert.deepStrictEqual(found(happened), [])
    assert.deepStrictEqual(found(happened, { received: [...received, ...received] }), [])
  })

  it("that were not sent an event are found, unless they are disabled", () => {
    const some = { received: received.slice(1) }
    assert.deepStrictEqual(found(happened, some), [`webhook ${webhookId} of null was not sent event 2`])
    const disabled = { type: "WebhookDisabled", name: "", subject, fields: { ...own, reason: "asked" } }
    assert.deepStrictEqual(found([...happened, disabled], some), [])
  })

  it("that were sent an event under two ids, or another account's, are found", () => {
    const twice = [...received, { webhookId, messageId: "msg_other", sequence: 2 }]
    assert.match(found(happened, { received: twice }).join(), /was sent event 2 as msg_2 and as msg_other/)
    const named = happened.map((fact, n) => n > 0 ? fact : { ...fact, fields: { ...own, tenant: "one" } })
    assert.match(found(named).join(), /of one was sent event 2, which is not for it/)
    assert.match(
      found(happened, { received: [...received, { webhookId, messageId: "msg_1", sequence: 1 }] }).join(),
      /1/
    )
  })

  it("that the read model has otherwise are found, and so are deliveries", () => {
    const { readModel } = withLog(happened)
    const wrong = {
      ...readModel,
      webhooks: readModel.webhooks.map((row) => ({ ...row, status: "disabled" })),
      deliveries: []
    }
    assert.deepStrictEqual(found(happened, { readModel: wrong }), [
      `webhooks ${webhookId} differs: status is "disabled", not "enabled"`,
      `webhook_deliveries has no row ${webhookId} 2`
    ])
  })

  it("that were never registered are found", () => {
    const [, ...rest] = happened
    const tested = { type: "WebhookTestAsked", name: "", subject, fields: own }
    assert.match(found([...rest, tested], { received: [] }).join(), /of a webhook that is not registered/)
  })
})

describe("accounts", () => {
  const notes = sound.notes.map((note) => ({ ...note, account: "one" }))
  const named = (account: string) =>
    sound.log.map((message): Message => ({ ...message, headers: [...message.headers, ["ce-account", account]] }))
  const spied = (answer: Note["answer"]) =>
    noteOf({ request: "spy", jobId: "job-a", account: "two", ...(answer === undefined ? {} : { answer }) })
  const found = (world: Partial<World>) =>
    check({ ...sound, ...world }).filter(({ rule }) => rule === "accounts").map(({ evidence }) => evidence)

  it("that have what is theirs are sound", () => {
    assert.deepStrictEqual(found({ log: named("one"), notes }), [])
    for (const answer of [undefined, { status: 404, body: "" }, { status: 503, body: "" }]) {
      assert.deepStrictEqual(found({ log: named("one"), notes: [...notes, spied(answer)] }), [])
    }
  })

  it("whose events name another account, or none, are found", () => {
    assert.match(found({ log: named("two"), notes })[0] ?? "", /event 1 of job job-a names account "two", and one has/)
    assert.isNotEmpty(found({ notes }))
  })

  it("that are shown a job of another are found", () => {
    const [evidence] = found({ log: named("one"), notes: [...notes, spied({ status: 200, body: "" })] })
    assert.strictEqual(evidence, "account two was answered with 200 to job job-a of another one")
  })
})

it("lets a gateway whose clock is off refuse what another one takes", () => {
  const refused = noteOf({ key: "k", answer: { status: 401, code: "clock_skew", body: "" } })
  const taken = noteOf({ key: "k", answer: { status: 202, jobId: "job-a", body: "" } })
  assert.deepStrictEqual(check({ ...sound, notes: [...sound.notes.slice(1), refused, taken] }), [])
})
