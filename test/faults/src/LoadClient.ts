/** A client of the gateways, which writes down what it asks and how it is answered. */
import { Clock, Effect, FiberSet, Schema } from "effect"
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
}

export interface Client {
  /**
   * Asks at a steady rate whatever happens, until it is over, and ends when every request is answered or given up. Of the
   * buckets that it is promised it cancels some at once, reads some back, also as another account, and deletes some that exist.
   */
  readonly keepAsking: (load: Load) => Effect.Effect<void>
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
    { headers, ...of }: Pick<Note, "name" | "jobId" | "key"> & { readonly headers?: Readonly<Record<string, string>> },
    body?: unknown
  ) {
    const { id: account, secret } = accountOf(of.name, request === "spy" ? 1 : 0)
    const about = { ...of, account }
    const gateway = gatewayUrls[turn++ % gatewayUrls.length]
    const sentAt = yield* Clock.currentTimeMillis
    const answered = yield* Effect.promise(async () => {
      try {
        const response = await fetch(`${gateway}${path}`, {
          method,
          signal: AbortSignal.timeout(patience),
          headers: { authorization: `Bearer ${secret}`, ...headers },
          ...(body === undefined ? {} : { body: JSON.stringify(body) })
        })
        return { status: response.status, body: await response.text() }
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
    const send = ask("create", "POST", "/buckets", { name, ...repeated }, { name })
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

  const keepAsking = Effect.fnUntraced(function*({ isOver, jobs, rate }: Load) {
    const underWay = yield* FiberSet.make()
    let due = yield* Clock.currentTimeMillis
    for (let count = 0; !isOver(); count++) {
      yield* FiberSet.run(underWay, createOne(`${prefix}-${count}`, isOver))
      due += (count < jobs ? 1000 : 5000) / rate
      yield* Effect.sleep(Math.max(0, due - (yield* Clock.currentTimeMillis)))
    }
    yield* FiberSet.awaitEmpty(underWay)
  }, Effect.scoped)

  let asked = 0
  const askFor = (count: number) =>
    Effect.forEach(
      Array.from({ length: count }, () => `${prefix}-more-${asked++}`),
      (name) => ask("create", "POST", "/buckets", { name }, { name }),
      { concurrency: atOnce }
    ).pipe(
      Effect.map((answers) =>
        answers.flatMap((answer) => answer?.status === 202 && answer.jobId !== undefined ? [answer.jobId] : [])
      )
    )

  return { keepAsking, askFor }
}
