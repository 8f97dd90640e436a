/** A client of the gateways, which writes down what it asks and how it is answered. */
import { Clock, Effect, FiberSet, Schema } from "effect"
import { createHash, randomBytes } from "node:crypto"
import * as Accounts from "../../support/Accounts.ts"
import type { Note } from "./World.ts"

export interface Options {
  /** All gateways; each request goes to one of them. */
  readonly gatewayUrls: ReadonlyArray<string>
  /** Each bucket is of one of them. */
  readonly accounts: ReadonlyArray<Account>
  /** Begins the name of every bucket, so that no two clients ask for one. */
  readonly prefix: string
  /** A number from 0 up to 1; what is done with a job depends on it. */
  readonly random: () => number
  readonly note: (note: Note) => void
}

export interface Account {
  readonly id: string
  /** Of a key that may read and write. */
  readonly secret: string
}

export interface Load {
  /** Creations a second, until this many were asked for; a fifth of it from then on. */
  readonly rate: number
  readonly jobs: number
  /** Whether to ask for nothing new any more. */
  readonly isOver: () => boolean
  /** Whether to upload files too. */
  readonly withFiles?: boolean
}

export interface Client {
  /**
   * Asks at a steady rate whatever happens, until it is over, and ends when every request is answered or given up. Of the
   * buckets that it is promised it cancels some at once, reads some back, also as another account, and deletes some that exist.
   */
  readonly keepAsking: (load: Load) => Effect.Effect<void>
  /** Sends a file of so many bytes; gives the job that it is promised. */
  readonly upload: (bucket: string, file: string, size: number) => Effect.Effect<string | undefined>
  /** The bucket that files go to, of the first account. */
  readonly bucket: string
  /** Reads these files, once each, and notes what comes. */
  readonly readBack: (
    files: Iterable<{ readonly bucketName: string; readonly name: string }>
  ) => Effect.Effect<void>
  /** Asks for so many buckets, as fast as they are answered, and gives the jobs that it is promised. */
  readonly askFor: (count: number) => Effect.Effect<ReadonlyArray<string>>
}

/** A request without an answer after this has none, in milliseconds. */
const patience = 8_000
/** Requests that wait for their answers at the same time, where many are asked. */
const atOnce = 20
/** Of the jobs that are accepted, these shares are cancelled, and read, at once. */
const cancelShare = 0.1
const readShare = 0.2
/** Of the buckets that a read shows to exist, this share is deleted. */
const deleteShare = 0.3
/** These shares of the creations have an idempotency key, and are signed: sent again where no answer came, so many times at most. */
const keyShare = 0.4
const signedShare = 0.3
const maxRepeats = 3
/** Beside each so many creations a file is uploaded, of so many bytes. */
const creationsPerFile = 6
const [smallest, largest] = [1_024, 3 * 1_048_576]
/** A file that is read without an end for so long is given up, in milliseconds. */
const readingPatience = 30_000
/** Files that are read at the same time. */
const readsAtOnce = 4

const Body = Schema.fromJsonString(Schema.Struct({
  job_id: Schema.optionalKey(Schema.String),
  status: Schema.optionalKey(Schema.Unknown),
  code: Schema.optionalKey(Schema.String)
}))

export const make = ({ accounts, gatewayUrls, note, prefix, random }: Options): Client => {
  let deletesBuckets: boolean | undefined
  let turn = 0
  /** The account that a name is of, and another one. */
  const accountOf = (name: string, others = 0): Account => {
    const sum = [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), others)
    const account = accounts[sum % accounts.length]
    if (account === undefined) throw new Error("there is no account")
    return account
  }

  const ask = Effect.fnUntraced(function*(
    request: Note["request"],
    method: string,
    path: string,
    { headers, ...of }: Pick<Note, "name" | "file" | "jobId" | "key" | "sha256"> & {
      readonly headers?: Readonly<Record<string, string>>
    },
    body?: string | Uint8Array<ArrayBuffer>
  ) {
    const { id: account, secret } = accountOf(of.name, request === "spy" ? 1 : 0)
    const about = { ...of, account }
    const gateway = gatewayUrls[turn++ % gatewayUrls.length]
    const sentAt = yield* Clock.currentTimeMillis
    const answered = yield* Effect.promise(async () => {
      try {
        const response = await fetch(`${gateway}${path}`, {
          method,
          signal: AbortSignal.timeout(request === "fetch" ? readingPatience : patience),
          headers: { authorization: `Bearer ${secret}`, ...headers },
          ...(body === undefined ? {} : { body })
        })
        const { status } = response
        if (request !== "fetch" || status !== 200) return { status, body: await response.text() }
        const bytes = new Uint8Array(await response.arrayBuffer())
        const root = response.headers.get("etag")?.replaceAll("\"", "") ?? ""
        return { status, body: "", sha256: digestOf(bytes), root }
      } catch {
        return undefined
      }
    })
    if (answered === undefined) {
      note({ request, ...about, sentAt })
      return undefined
    }
    const { code, job_id: jobId, status } = yield* Effect.orElseSucceed(
      Schema.decodeEffect(Body)(answered.body),
      (): typeof Body.Type => ({})
    )
    const answer = {
      ...answered,
      ...(jobId === undefined ? {} : { jobId }),
      ...(code === undefined ? {} : { code })
    }
    note({ request, ...about, sentAt, answer })
    return { ...answer, jobStatus: status }
  })

  /** Reads a job on the other gateway until it has ended; once its bucket is there, deletes it. */
  const removeLater = Effect.fnUntraced(function*(name: string, jobId: string, isOver: Load["isOver"]) {
    for (let tries = 0; tries < 10 && !isOver(); tries++) {
      yield* Effect.sleep("2 seconds")
      const job = yield* ask("read", "GET", `/jobs/${jobId}`, { name, jobId })
      if (job?.jobStatus !== "completed") continue
      const answer = yield* ask("delete", "DELETE", `/buckets/${name}`, { name })
      // Answered by a gateway that does not know how.
      if (answer?.code === "route_not_found") deletesBuckets = false
      return
    }
  })

  /** What the repeats of a creation are known by, and the headers that make it so; nothing where it is not to be repeated. */
  const repeatable = (name: string) => {
    const choice = random()
    if (choice < keyShare) return { key: `key-of-${name}`, headers: { "idempotency-key": `key-of-${name}` } }
    if (choice >= keyShare + signedShare) return undefined
    const sent = { method: "POST", path: "/buckets", body: JSON.stringify({ name }) }
    const headers = Accounts.signatureOf(accountOf(name).secret, sent)
    return { key: `signature ${headers["x-signature"]}`, headers }
  }

  /** Asks for a bucket. Where it can be repeated, also once more after an answer: on another gateway it is the same request. */
  const create = Effect.fnUntraced(function*(name: string) {
    const repeated = repeatable(name)
    const send = ask("create", "POST", "/buckets", { name, ...repeated }, JSON.stringify({ name }))
    if (repeated === undefined) return yield* send
    yield* send
    return yield* Effect.repeat(send, {
      while: (answer) => answer === undefined || answer.status >= 500,
      times: maxRepeats - 1
    })
  })

  const createOne = Effect.fnUntraced(function*(name: string, isOver: Load["isOver"]) {
    const created = yield* create(name)
    if (created?.status !== 202 || created.jobId === undefined) return
    const { jobId } = created
    const choice = random()
    if (choice < cancelShare) yield* ask("cancel", "DELETE", `/jobs/${jobId}`, { name, jobId })
    else if (choice < cancelShare + readShare) {
      yield* ask("read", "GET", `/jobs/${jobId}`, { name, jobId })
      yield* ask("spy", "GET", `/jobs/${jobId}`, { name, jobId })
    } else if (choice < cancelShare + readShare + deleteShare && deletesBuckets !== false) {
      yield* removeLater(name, jobId, isOver)
    }
  })

  /** The bucket that the files of each account go to. */
  const buckets = accounts.map((account) => {
    for (let n = 0;; n++) if (accountOf(`${prefix}-files-${n}`) === account) return `${prefix}-files-${n}`
  })

  /** Sends a file; where it has a key, also once more after an answer. */
  const send = Effect.fnUntraced(function*(
    name: string,
    file: string,
    size: number,
    headers: Readonly<Record<string, string>> = {}
  ) {
    const bytes = new Uint8Array(randomBytes(size))
    const sha256 = digestOf(bytes)
    const [storage, hasKey] = [random(), random() < keyShare]
    const key = `key-of-${name}-${sha256}`
    const about = {
      name,
      file,
      sha256,
      ...(hasKey ? { key } : {}),
      headers: { ...headers, ...(hasKey ? { "idempotency-key": key } : {}) }
    }
    const query = storage < 0.2 ? "?parity_blocks=0" : storage < 0.5 ? "?encryption=account" : storage < 0.6
      ? "?encryption=account&encrypt_name=true"
      : ""
    const sending = ask("upload", "PUT", `${pathOf(name, file)}${query}`, about, bytes)
    if (!hasKey) return yield* sending
    yield* sending
    return yield* Effect.repeat(sending, {
      while: (answer) => answer === undefined || answer.status >= 500,
      times: maxRepeats - 1
    })
  })

  /** Reads a job until it has ended; gives whether it is completed. */
  const ended = Effect.fnUntraced(function*(name: string, jobId: string, isOver: Load["isOver"]) {
    for (let tries = 0; tries < 20 && !isOver(); tries++) {
      yield* Effect.sleep("1 second")
      const job = yield* ask("read", "GET", `/jobs/${jobId}`, { name, jobId })
      if (["completed", "failed", "cancelled"].includes(String(job?.jobStatus))) return job?.jobStatus === "completed"
    }
    return false
  })
  const cancel = (name: string, jobId: string) => ask("cancel", "DELETE", `/jobs/${jobId}`, { name, jobId })
  const read = (name: string, file: string) => ask("fetch", "GET", pathOf(name, file), { name, file })
  const cancelSoon = (name: string, jobId: string) =>
    Effect.andThen(Effect.sleep(2_500 * random()), cancel(name, jobId))

  /** What is done with a file once it is there. */
  const change = Effect.fnUntraced(function*(name: string, file: string, size: number) {
    const choice = random()
    if (choice < 0.4) {
      const replaced = yield* send(name, file, size, { "if-match": "*" })
      if (replaced?.jobId !== undefined && choice < 0.2) yield* cancelSoon(name, replaced.jobId)
    } else if (choice < 0.6) yield* ask("remove", "DELETE", pathOf(name, file), { name, file })
    else if (choice < 0.75) {
      yield* ask(
        "share",
        "PATCH",
        pathOf(name, file),
        { name, file, headers: json },
        JSON.stringify({ is_public: true })
      )
    } else if (choice < 0.9) {
      const body = JSON.stringify({ keep_seconds: 60 })
      yield* ask("download", "POST", `${pathOf(name, file)}/downloads`, { name, file, headers: json }, body)
    }
    yield* read(name, file)
  })

  const uploadOne = Effect.fnUntraced(function*(count: number, isOver: Load["isOver"]) {
    const name = buckets[count % buckets.length] ?? ""
    const file = `file-${count}.bin`
    const size = Math.floor(smallest * (largest / smallest) ** random())
    const { jobId, status } = (yield* send(name, file, size)) ?? {}
    if (status !== 202 || jobId === undefined) return
    const choice = random()
    if (choice < cancelShare) yield* cancel(name, jobId)
    else if (choice < 3 * cancelShare) yield* cancelSoon(name, jobId)
    // One that comes too early, for other bytes.
    else if (choice < 4 * cancelShare) yield* send(name, file, size)
    else if (yield* ended(name, jobId, isOver)) yield* change(name, file, size)
  })

  const keepAsking = Effect.fnUntraced(function*({ isOver, jobs, rate, withFiles = false }: Load) {
    const underWay = yield* FiberSet.make()
    if (withFiles) yield* Effect.forEach(buckets, create, { discard: true })
    let due = yield* Clock.currentTimeMillis
    for (let count = 0; !isOver(); count++) {
      yield* FiberSet.run(underWay, createOne(`${prefix}-${count}`, isOver))
      if (withFiles && count % creationsPerFile === 0) {
        yield* FiberSet.run(underWay, uploadOne(count / creationsPerFile, isOver))
      }
      due += (count < jobs ? 1000 : 5000) / rate
      yield* Effect.sleep(Math.max(0, due - (yield* Clock.currentTimeMillis)))
    }
    yield* FiberSet.awaitEmpty(underWay)
  }, Effect.scoped)

  let asked = 0
  const askFor = (count: number) =>
    Effect.forEach(
      Array.from({ length: count }, () => `${prefix}-more-${asked++}`),
      (name) => ask("create", "POST", "/buckets", { name }, JSON.stringify({ name })),
      { concurrency: atOnce }
    ).pipe(
      Effect.map((answers) =>
        answers.flatMap((answer) => answer?.status === 202 && answer.jobId !== undefined ? [answer.jobId] : [])
      )
    )

  const upload: Client["upload"] = (bucket, file, size) =>
    Effect.map(send(bucket, file, size), (answer) => answer?.jobId)
  const readBack: Client["readBack"] = (files) =>
    Effect.forEach(files, ({ bucketName, name }) => read(bucketName, name), {
      concurrency: readsAtOnce,
      discard: true
    })

  return { keepAsking, askFor, upload, readBack, bucket: buckets[0] ?? "" }
}

const json = { "content-type": "application/json" }
const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")
const pathOf = (bucket: string, file: string): string => `/buckets/${bucket}/files/${encodeURIComponent(file)}`
