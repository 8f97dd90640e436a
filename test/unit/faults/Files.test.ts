/** What the checker finds wrong with jobs on files: each rule is broken by hand once. */
import { assert, describe, it } from "@effect/vitest"
import { check, type Rule } from "../../faults/src/Checker.ts"
import { fold } from "../../faults/src/Fold.ts"
import { bucketIdOf, fileIdOf } from "../../faults/src/Vocabulary.ts"
import type { Message, Note, World } from "../../faults/src/World.ts"

const owner = "0xAAAAaaaaAAAAaaaaAAAAaaaaAAAAaaaaAAAAaaaa"
const begun = Date.parse("2026-01-01T00:00:00.000Z")
const at = (second: number) => new Date(begun + second * 1000).toISOString()
const hashOf = (nonce: number) => `0x${`${nonce}`.padStart(64, "0")}`
const bucketName = "files"
const digestOf = (name: string) => Buffer.from(name).toString("hex").padEnd(64, "0")
const error = { category: "network", code: "StagedMissing", message: "Its bytes are gone" }

interface Fact {
  readonly type: string
  readonly jobId: string
  /** Of the file; of the bucket where it is about none. */
  readonly name?: string
  readonly fields?: Readonly<Record<string, unknown>>
}

const requestOf = (name: string, more: Readonly<Record<string, unknown>> = {}) => ({
  owner,
  bucketName,
  name,
  size: 17_000_000,
  sha256: digestOf(name),
  dataBlocks: 16,
  parityBlocks: 16,
  encryption: "none",
  staged: `${name}-${"0".repeat(36)}`.slice(0, 36),
  replaces: false,
  ...more
})
const submitted = (jobId: string, name: string, part: string, nonce: number): Fact => ({
  type: "FileUploadSubmitted",
  jobId,
  name,
  fields: { part, transactionHash: hashOf(nonce), nonce, signer: owner }
})
const mined = (nonce: number) => ({ transactionHash: hashOf(nonce), blockNumber: 10 + nonce, adopted: false })
/** The parts of an upload, done by transactions from this nonce on. */
const uploadOf = (jobId: string, name: string, parts: ReadonlyArray<string>, first: number, more = {}): Array<Fact> => [
  { type: "FileUploadRequested", jobId, name, fields: requestOf(name, more) },
  { type: "FileUploadStarted", jobId, name, fields: { attempt: 1 } },
  ...parts.flatMap((part, n): ReadonlyArray<Fact> => [
    submitted(jobId, name, part, first + n),
    ...(part === "commit" || part === "undo"
      ? []
      : [{ type: "FileUploadAdvanced", jobId, name, fields: { part, ...mined(first + n) } }])
  ])
]
const completed = (jobId: string, name: string, nonce: number): Fact => ({
  type: "FileUploaded",
  jobId,
  name,
  fields: { fileId: fileIdOf(requestOf(name)), rootCid: `root-of-${jobId}`, encodedSize: 34_000_000, ...mined(nonce) }
})
const [create, first, second, commit] = ["create", "chunk.0", "chunk.1", "commit"]
const parts = [create, first, second, commit] as const

const facts: ReadonlyArray<Fact> = [
  { type: "BucketRequested", jobId: "job-b", fields: { name: bucketName, owner } },
  { type: "BucketStarted", jobId: "job-b", fields: { attempt: 1 } },
  { type: "BucketSubmitted", jobId: "job-b", fields: { transactionHash: hashOf(0), nonce: 0, signer: owner } },
  { type: "BucketCreated", jobId: "job-b", fields: { bucketId: bucketIdOf(bucketName, owner), ...mined(0) } },
  // A file, which is replaced.
  ...uploadOf("job-one", "one", parts, 1),
  completed("job-one", "one", 4),
  ...uploadOf("job-two", "one", ["delete", ...parts], 5, { replaces: true, sha256: digestOf("two") }),
  completed("job-two", "one", 9),
  // One that is cancelled, and takes back what it had done.
  ...uploadOf("job-off", "off", [create, first], 10),
  { type: "FileUploadAbandoned", jobId: "job-off", name: "off", fields: { error, cancelledBy: "a client" } },
  submitted("job-off", "off", "undo", 12),
  { type: "FileUploadCancelled", jobId: "job-off", name: "off", fields: { cancelledBy: "a client", reason: "no" } },
  // One that fails before it has done anything.
  ...uploadOf("job-bad", "bad", [], 13),
  { type: "FileUploadAbandoned", jobId: "job-bad", name: "bad", fields: { error } },
  { type: "FileUploadFailed", jobId: "job-bad", name: "bad", fields: { error, attempts: 1 } },
  // A download whose bytes are kept.
  {
    type: "FileDownloadRequested",
    jobId: "job-get",
    name: "one",
    fields: { ...requestOf("one"), staged: "d".repeat(36), rootCid: "root-of-job-two", keepSeconds: 3600 }
  },
  { type: "FileDownloadStarted", jobId: "job-get", name: "one", fields: { attempt: 1 } },
  { type: "FileDownloaded", jobId: "job-get", name: "one", fields: { expiresAt: at(3600), adopted: false } }
]

const subjectOf = ({ jobId, name, type }: Fact) =>
  name === undefined
    ? `bucket.${owner.toLowerCase()}.${bucketName}`
    : type.startsWith("FileDownload")
    ? `download.${owner.toLowerCase()}.${jobId}`
    : `file.${owner.toLowerCase()}.${bucketName}.${Buffer.from(name).toString("base64url")}`

const logOf = (facts: ReadonlyArray<Fact>): ReadonlyArray<Message> =>
  facts.map((fact, n) => ({
    sequence: n + 1,
    subject: subjectOf(fact),
    headers: [["ce-id", `${n}`], ["ce-type", `akave.${fact.type}.v1`]],
    data: Buffer.from(JSON.stringify({ jobId: fact.jobId, occurredAt: at(n), ...fact.fields })),
    storedAt: begun + n * 1000
  }))

const filesOf = (log: ReadonlyArray<Message>): World["readModel"]["files"] =>
  Array.from(fold(log).files.values(), (file) => ({
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

/** What each nonce did, in the order of nonces. */
const done: ReadonlyArray<readonly [kind: string, file?: string]> = [
  ["created"],
  ["fileCreated", "one"],
  ["chunkAdded", "one"],
  ["chunkAdded", "one"],
  ["fileCommitted", "one"],
  ["fileDeleted", "one"],
  ["fileCreated", "one"],
  ["chunkAdded", "one"],
  ["chunkAdded", "one"],
  ["fileCommitted", "one"],
  ["fileCreated", "off"],
  ["chunkAdded", "off"],
  ["fileDeleted", "off"]
]
const oneId = fileIdOf(requestOf("one"))
const twoOnChain = { rootCid: "root-of-job-two", size: 17_000_000, chunks: 2, isPublic: false }

const chainOf = (
  all: ReadonlyArray<readonly [kind: string, file?: string] | undefined>,
  files: Readonly<Record<string, World["chain"]["files"] extends ReadonlyMap<string, infer File> ? File : never>>
): World["chain"] => {
  const transactions = all.map((one, nonce) => ({
    hash: hashOf(nonce),
    nonce,
    blockNumber: 10 + nonce,
    minedAt: begun + nonce * 1000,
    effects: one === undefined
      ? []
      : [{ kind: one[0], id: one[1] === undefined ? bucketIdOf(bucketName, owner) : fileIdOf(requestOf(one[1])) }]
  }))
  return {
    transactions,
    effects: transactions.flatMap(({ effects, hash }) => effects.map((one) => ({ ...one, transactionHash: hash }))),
    minedCount: transactions.length,
    pendingCount: transactions.length,
    existing: new Map([[bucketName, true]]),
    files: new Map(Object.entries(files))
  }
}

const withLog = (facts: ReadonlyArray<Fact>): Pick<World, "log" | "readModel"> => {
  const log = logOf(facts)
  const files = filesOf(log)
  const checkpoint = { sequence: log.length, hash: "" }
  return { log, readModel: { jobs: [], buckets: [], files, webhooks: [], deliveries: [], archive: [], checkpoint } }
}

const note = (request: Note["request"], jobId: string, file?: string, sha256?: string): Note => ({
  request,
  name: bucketName,
  ...(file === undefined ? {} : { file }),
  ...(sha256 === undefined ? {} : { sha256 }),
  sentAt: begun,
  answer: { status: 202, jobId, body: "" }
})
const fetched = (answer: Partial<NonNullable<Note["answer"]>> = {}): Note => ({
  request: "fetch",
  name: bucketName,
  file: "one",
  sentAt: begun,
  answer: { status: 200, body: "", sha256: digestOf("two"), root: "root-of-job-two", ...answer }
})
const asked: ReadonlyArray<Note> = [
  note("create", "job-b"),
  note("upload", "job-one", "one", digestOf("one")),
  note("upload", "job-two", "one", digestOf("two")),
  note("upload", "job-off", "off", digestOf("off")),
  note("upload", "job-bad", "bad", digestOf("bad")),
  note("download", "job-get", "one"),
  {
    request: "cancel",
    name: bucketName,
    jobId: "job-off",
    sentAt: begun,
    answer: { status: 200, body: "{\"status\":\"processing\"}" }
  }
]

const sound: World = {
  ...withLog(facts),
  ledger: [],
  maxInFlight: 10,
  chain: chainOf(done, { [oneId]: twoOnChain }),
  notes: [...asked, fetched({ sha256: digestOf("one"), root: "root-of-job-one" }), fetched()],
  staged: ["d".repeat(36)],
  received: [],
  texts: [],
  secrets: [],
  faultEndedAt: begun,
  observedAt: begun + 60_000
}
/** What belongs to other rules is tested elsewhere. */
const found = (world: World) =>
  check(world).filter(({ evidence, rule }) =>
    !["hashChain", "nonces"].includes(rule) && (rule !== "readModel" || evidence.startsWith("files"))
  )

it("finds nothing wrong with a sound world", () => {
  assert.deepStrictEqual(found(sound), [])
})

it("reads files from the raw log", () => {
  const { files, jobs } = fold(sound.log)
  assert.deepStrictEqual(Array.from(files.values(), ({ jobId, name, sha256 }) => [jobId, name, sha256]), [
    ["job-two", "one", digestOf("two")]
  ])
  assert.deepStrictEqual(Array.from(jobs.values(), ({ status }) => status), [
    "completed",
    "completed",
    "completed",
    "cancelled",
    "failed",
    "completed"
  ])
})

it("a chunk that was found where it belongs may be the work of another transaction of its job", () => {
  const adopted = facts.map((fact) =>
    fact.fields?.["part"] === "chunk.1" && fact.type === "FileUploadAdvanced"
      ? { ...fact, fields: { part: "chunk.1", adopted: true } }
      : fact
  )
  assert.deepStrictEqual(found({ ...sound, ...withLog(adopted) }), [])
})

const without = (type: string, jobId: string, part?: string) =>
  withLog(
    facts.filter((fact) =>
      fact.type !== type || fact.jobId !== jobId || (part !== undefined && fact.fields?.["part"] !== part)
    )
  )
const replaced = (nonce: number, ...one: ReadonlyArray<(typeof done)[number]>) =>
  chainOf(done.map((all, n) => n === nonce ? one[0] : all), { [oneId]: twoOnChain })
const withNotes = (...notes: ReadonlyArray<Note>) => ({ notes: [...asked, ...notes] })
const onChain = (change: Partial<typeof twoOnChain>) => ({
  chain: chainOf(done, { [oneId]: { ...twoOnChain, ...change } })
})

const broken: ReadonlyArray<readonly [sentence: string, rule: Rule, evidence: RegExp, change: Partial<World>]> = [
  ["a chunk that was not added", "effects", /job-one .* in chunk\.1, which has no effect/, { chain: replaced(3) }],
  ["a file that was not created", "effects", /job-one .* in create, which has no effect/, { chain: replaced(1) }],
  ["a part that the log leaves out", "delivery", /out of place/, without("FileUploadAdvanced", "job-one", "chunk.0")],
  [
    "a completed upload that does not say how a part was done",
    "effects",
    /job-two .* does not report in chunk\.1/,
    without("FileUploadAdvanced", "job-two", "chunk.1")
  ],
  [
    "a part that adds to another file",
    "effects",
    /job-one .* did what it was not asked to/,
    { chain: replaced(2, ["chunkAdded", "off"]) }
  ],
  [
    "a part that does what another one is for",
    "effects",
    /job-one .* did what it was not asked to/,
    { chain: replaced(2, ["fileCommitted", "one"]) }
  ],
  [
    "a chunk that was added twice",
    "effects",
    /job-one .* has 2 effects in chunk\.0/,
    {
      ...withLog(
        facts.flatMap((fact) =>
          fact.jobId === "job-one" && fact.type === "FileUploadSubmitted" && fact.fields?.["part"] === first
            ? [fact, submitted("job-one", "one", "chunk.0", 13)]
            : [fact]
        )
      ),
      chain: chainOf([...done, ["chunkAdded", "one"]], { [oneId]: twoOnChain })
    }
  ],
  [
    "an effect on a file of no job",
    "effects",
    /file 0x\w+ was fileDeleted by 0x0+13, of no job/,
    { chain: chainOf([...done, ["fileDeleted", "one"]], { [oneId]: twoOnChain }) }
  ],
  [
    "a cancelled upload that has not taken back what it did",
    "noEffect",
    /job-off .* has the effect of .* in create/,
    { chain: replaced(12) }
  ],
  [
    "a cancelled upload that was committed",
    "effects",
    /job-off .* did what it was not asked to/,
    { chain: replaced(11, ["fileCommitted", "off"]) }
  ],
  [
    "a cancelled upload that goes on after it has taken back what it did",
    "noEffect",
    /job-off .* has the effect of .* in chunk\.1/,
    {
      ...withLog(
        facts.flatMap((fact) =>
          fact.type === "FileUploadCancelled" ? [submitted("job-off", "off", "chunk.1", 13), fact] : [fact]
        )
      ),
      chain: chainOf([...done, ["chunkAdded", "off"]], { [oneId]: twoOnChain })
    }
  ],
  [
    "a cancelled upload whose file is there",
    "files",
    /the contract has file 0x\w+, not committed, against the log's cancelled .*job-off/,
    {
      chain: chainOf(done, {
        [oneId]: twoOnChain,
        [fileIdOf(requestOf("off"))]: { ...twoOnChain, rootCid: "" }
      })
    }
  ],
  ["a file that is not there", "files", /the contract has not file 0x\w+/, { chain: chainOf(done, {}) }],
  [
    "a file with another root",
    "files",
    /has rootCid other on chain, not root-of-job-two/,
    onChain({ rootCid: "other" })
  ],
  ["a file with a chunk too few", "files", /has chunks 1 on chain, not 2/, onChain({ chunks: 1 })],
  ["a file of another size", "files", /has size 1 on chain, not 17000000/, onChain({ size: 1 })],
  ["a file that all may read", "files", /has isPublic true on chain, not false/, onChain({ isPublic: true })],
  [
    "bytes that are not those that were sent",
    "files",
    /files\/one was read as bytes with the SHA-256 00/,
    withNotes(fetched({ sha256: "00" }), fetched())
  ],
  [
    "bytes of the file that was replaced",
    "files",
    /files\/one was read as bytes/,
    withNotes(fetched({ sha256: digestOf("one") }), fetched())
  ],
  ["a file that nobody read at the end", "files", /could not be read at the end: no answer/, withNotes()],
  [
    "a file that could not be read at the end",
    "files",
    /could not be read at the end: 502/,
    withNotes(fetched(), fetched({ status: 502 }))
  ],
  [
    "bytes that stay for a job that has ended",
    "staging",
    /is still staged, for cancelled .*job-off/,
    { staged: [requestOf("off").staged] }
  ],
  ["bytes that stay for no job", "staging", /is still staged, for no job/, { staged: ["e".repeat(36)] }],
  [
    "bytes of a download that stay beyond their time",
    "staging",
    /is still staged, for completed .*job-get/,
    { observedAt: Date.parse(at(3616)) }
  ],
  [
    "a file that the read model does not have",
    "readModel",
    /files has no row 0x/,
    { readModel: { ...sound.readModel, files: [] } }
  ],
  [
    "a file of which the read model has the one before",
    "readModel",
    /files 0x\w+ differs: sha256/,
    { readModel: { ...sound.readModel, files: sound.readModel.files.map((row) => ({ ...row, sha256: "" })) } }
  ],
  [
    "an upload that was stored with other bytes",
    "client",
    /upload files one 6f6e65\w+ was answered with 202 and job job-one, which the log has not/,
    withLog(facts.map((fact) =>
      fact.type === "FileUploadRequested" && fact.jobId === "job-one"
        ? { ...fact, fields: { ...fact.fields, sha256: "0" } }
        : fact
    ))
  ],
  [
    "an abandoned upload that goes on",
    "delivery",
    /FileUploadAdvanced\) of job job-off is out of place/,
    withLog(facts.flatMap((fact) =>
      fact.type === "FileUploadAbandoned" && fact.jobId === "job-off"
        ? [fact, { ...fact, type: "FileUploadAdvanced", fields: { part: "create", ...mined(10) } }]
        : [fact]
    ))
  ],
  [
    "an upload that is cancelled while it goes on",
    "delivery",
    /FileUploadCancelled\) of job job-off is out of place/,
    without("FileUploadAbandoned", "job-off")
  ]
]

describe("finds", () => {
  it.each(broken)("%s", (_, rule, evidence, change) => {
    const violations = found({ ...sound, ...change })
    assert.isTrue(
      violations.some((one) => one.rule === rule && evidence.test(one.evidence)),
      JSON.stringify(violations, undefined, 1)
    )
  })
})
