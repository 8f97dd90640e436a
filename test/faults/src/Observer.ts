/** Reads a {@link World} from the chain, the log, the database and the processes' log files, beside the product. */
import * as Segment from "@akave-async/eventing/Segment"
import type * as Stack from "@akave-async/local/Stack"
import { DeliverPolicy, jetstream, JetStreamApiError, jetstreamManager } from "@nats-io/jetstream"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { Effect, Schema } from "effect"
import { AbiCoder, getBytes, id, Interface, JsonRpcProvider, toQuantity } from "ethers"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import { Client } from "pg"
import { fold, type Folded } from "./Fold.ts"
import { bucketIdOf, contractEvents, fileIdOf, operations } from "./Vocabulary.ts"
import type * as World from "./World.ts"

/** What the observer reads did not answer. */
export class Unobservable extends Schema.TaggedError<Unobservable>()("Unobservable", {
  what: Schema.String,
  cause: Schema.Defect()
}) {
  override readonly message = `The ${this.what} could not be read: ${
    this.cause instanceof Error ? this.cause.message : this.cause
  }`
}

export interface Target {
  readonly stack: Stack.Stack
  readonly storageAddress: string
  readonly accessAddress: string
}

export const eventStream = "AKAVE_EVENTS"
export const ledgerStream = (wallet: string): string => `AKAVE_WALLET_${wallet.toLowerCase()}`
const schema = "akave_async"

const attempt = <A>(what: string, read: () => Promise<A>) =>
  Effect.tryPromise({ try: read, catch: (cause) => new Unobservable({ what, cause }) })

/** The event log as it is now. */
export const readLog = (natsUrl: string): Effect.Effect<ReadonlyArray<World.Message>, Unobservable> =>
  withNats(natsUrl, (connection) => messagesOf(connection, eventStream, "akave.events."))

/** Names of all JetStream streams that the server has. */
export const streams = (natsUrl: string): Effect.Effect<ReadonlyArray<string>, Unobservable> =>
  withNats(natsUrl, async (connection) => {
    const names: Array<string> = []
    for await (const name of (await jetstreamManager(connection)).streams.names()) names.push(name)
    return names
  })

/** How many events those who react to them have not settled: the durable consumers of the log, whatever they are called. */
export const unsettled = (natsUrl: string): Effect.Effect<number, Unobservable> =>
  withNats(natsUrl, async (connection) => {
    const counts: Array<number> = []
    for await (
      const { config, num_ack_pending, num_pending } of (await jetstreamManager(connection)).consumers.list(eventStream)
    ) {
      if (config.durable_name !== undefined) counts.push(num_ack_pending + num_pending)
    }
    if (counts.length === 0) throw new Error("nobody reacts to its events")
    return counts.reduce((sum, count) => sum + count, 0)
  })

export const checkpoint = (databaseUrl: string): Effect.Effect<number, Unobservable> =>
  withPostgres(databaseUrl, async (client) => (await checkpointOf(client)).sequence)

/** The wallet's transaction counts: mined, and with those that wait in the pool. */
export const transactionCounts = ({ ownerAddress, rpcUrl }: Stack.Stack) =>
  withChain(rpcUrl, (provider) => countsOf(provider, ownerAddress))

type Reported = Pick<World.World, "notes" | "received" | "secrets" | "faultEndedAt" | "maxInFlight">

const observeOnce = Effect.fnUntraced(function*(
  { stack, ...contracts }: Target,
  reported: Reported
): Effect.fn.Return<World.World, Unobservable> {
  const { log, ledger } = yield* withNats(stack.natsUrl, async (connection) => ({
    log: await messagesOf(connection, eventStream, "akave.events."),
    ledger: await messagesOf(
      connection,
      ledgerStream(stack.ownerAddress),
      `akave.wallet.${stack.ownerAddress.toLowerCase()}.`
    )
  }))
  const folded = fold(log)
  return {
    ...reported,
    log,
    ledger,
    chain: yield* withChain(stack.rpcUrl, (provider) => readChain(provider, stack.ownerAddress, contracts, folded)),
    readModel: yield* withPostgres(stack.databaseUrl, readModelOf),
    staged: yield* Effect.sync(() => stagedIn(stack.dataDir)),
    texts: yield* Effect.sync(() => textsIn(join(stack.dataDir, "logs"))),
    observedAt: yield* Effect.clockWith((clock) => clock.currentTimeMillis)
  }
})

/** How often all is read again where the read model has more than the log had: a second projector has signed what the first one did. */
const mostRereads = 3

/** Reads all of it; so that the log is no older than the read model. */
export const observe = (target: Target, reported: Reported): Effect.Effect<World.World, Unobservable> =>
  Effect.repeat(observeOnce(target, reported), {
    until: ({ log, readModel }) => readModel.checkpoint.sequence <= (log.at(-1)?.sequence ?? 0),
    times: mostRereads
  })

const withNats = <A>(natsUrl: string, read: (connection: NatsConnection) => Promise<A>) =>
  Effect.acquireUseRelease(
    attempt("event log", () => connect({ servers: natsUrl, timeout: 5_000, reconnect: false })),
    (connection) => attempt("event log", () => read(connection)),
    (connection) => Effect.promise(() => connection.close())
  )

/** All messages of a stream, by a consumer that goes with the connection; none where there is no such stream. */
const messagesOf = async (
  connection: NatsConnection,
  stream: string,
  prefix: string
): Promise<ReadonlyArray<World.Message>> => {
  const streamNotFound = 10059
  const state = await (await jetstreamManager(connection)).streams.info(stream).then(
    (info) => info.state,
    (error: unknown) => {
      if (error instanceof JetStreamApiError && error.code === streamNotFound) return undefined
      throw error
    }
  )
  if (state === undefined || state.messages === 0) return []
  const consumer = await jetstream(connection).consumers.get(stream, {
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: state.first_seq
  })
  const messages: Array<World.Message> = []
  for await (const message of await consumer.consume({ max_messages: 1000 })) {
    messages.push({
      sequence: message.seq,
      // What lies elsewhere keeps its whole subject, which is of no known kind.
      subject: message.subject.startsWith(prefix) ? message.subject.slice(prefix.length) : message.subject,
      headers: Array.from(message.headers ?? [], ([name, values]) => [name, values.join(",")] as const),
      data: message.data,
      storedAt: message.time.getTime()
    })
    if (message.seq >= state.last_seq) break
  }
  return messages
}

const withChain = <A>(rpcUrl: string, read: (provider: JsonRpcProvider) => Promise<A>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => new JsonRpcProvider(rpcUrl, undefined, { staticNetwork: true, cacheTimeout: -1 })),
    (provider) => attempt("chain", () => read(provider)),
    (provider) => Effect.sync(() => provider.destroy())
  )

const countsOf = async (provider: JsonRpcProvider, address: string) => ({
  minedCount: await provider.getTransactionCount(address, "latest"),
  pendingCount: await provider.getTransactionCount(address, "pending")
})

/** The kinds of effects by the topics of the contracts' events. */
const effectKinds: ReadonlyMap<string, string> = new Map(
  Object.entries(contractEvents).map(([kind, { signature }]) => [id(signature), kind])
)

/** JSON-RPC's receipts, blocks and logs, as far as they are read here. */
interface RpcLog {
  readonly address: string
  readonly topics: ReadonlyArray<string>
  readonly data: string
  readonly transactionHash: string
}
interface RpcReceipt {
  readonly transactionHash: string
  readonly logs: ReadonlyArray<RpcLog>
}
interface RpcBlock {
  readonly timestamp: string
  readonly transactions: ReadonlyArray<{ readonly hash: string; readonly nonce: string; readonly from: string }>
}

const readChain = async (
  provider: JsonRpcProvider,
  owner: string,
  { accessAddress, storageAddress }: Pick<Target, "accessAddress" | "storageAddress">,
  { jobs }: Folded
): Promise<World.Chain> => {
  const isOwn = (address: string) => address.toLowerCase() === owner.toLowerCase()
  const contracts: Readonly<Record<string, "access" | "storage">> = {
    [storageAddress.toLowerCase()]: "storage",
    [accessAddress.toLowerCase()]: "access"
  }
  const word = (text: string) => `0x${text.slice(-40)}`
  /** What a log reports, and of whose bucket or file; that of another one's is nothing. */
  const effectOf = ({ address, data, topics }: RpcLog): ReadonlyArray<World.Effect> => {
    const [topic = "", about = "", , third = ""] = topics
    const contract = contracts[address.toLowerCase()]
    if (contract === undefined) return []
    const kind = effectKinds.get(topic)
    const event = kind === undefined ? undefined : contractEvents[kind]
    if (kind === undefined || event?.by !== contract) return [{ kind: topic, id: about }]
    const isOfOwner = event.owner === "sender" || isOwn(word(event.owner === "topic" ? third : data))
    return isOfOwner ? [{ kind, id: about }] : []
  }

  const head = await provider.getBlockNumber()
  const transactions: Array<World.Transaction> = []
  const blocksAtOnce = 50
  for (let first = 0; first <= head; first += blocksAtOnce) {
    const numbers = Array.from({ length: Math.min(blocksAtOnce, head - first + 1) }, (_, n) => first + n)
    const found = await Promise.all(numbers.map(async (number) => {
      const [block, receipts]: [RpcBlock, ReadonlyArray<RpcReceipt>] = await Promise.all([
        provider.send("eth_getBlockByNumber", [toQuantity(number), true]),
        provider.send("eth_getBlockReceipts", [toQuantity(number)])
      ])
      const byHash = new Map(receipts.map((receipt) => [receipt.transactionHash, receipt]))
      return block.transactions.filter(({ from }) => isOwn(from)).map(({ hash, nonce }): World.Transaction => {
        const receipt = byHash.get(hash)
        return {
          hash,
          nonce: Number(nonce),
          blockNumber: number,
          minedAt: Number(block.timestamp) * 1000,
          effects: receipt?.logs.flatMap(effectOf) ?? []
        }
      })
    }))
    transactions.push(...found.flat())
  }
  const logs: ReadonlyArray<RpcLog> = await provider.send("eth_getLogs", [{
    address: [storageAddress, accessAddress],
    fromBlock: "0x0",
    toBlock: toQuantity(head)
  }])
  const own = new Set(transactions.map(({ hash }) => hash))

  const coder = AbiCoder.defaultAbiCoder()
  const selector = id("getBucketIndexByName(string,address)").slice(0, 10)
  const existing = new Map<string, boolean>()
  await Promise.all(Array.from(new Set(Array.from(jobs.values(), ({ bucketName }) => bucketName)), async (name) => {
    const data = selector + coder.encode(["string", "address"], [name, owner]).slice(2)
    const answer = await provider.send("eth_call", [{ to: storageAddress, data }, toQuantity(head)])
    const [, exists] = coder.decode(["uint256", "bool"], answer)
    existing.set(name, exists)
  }))
  const files = new Map<string, World.ChainFile>()
  await Promise.all(Array.from(placesOf(jobs), async ([fileId, { bucketId, name }]) => {
    const call = (to: string, method: string, ...args: ReadonlyArray<unknown>) =>
      provider.send("eth_call", [{ to, data: views.encodeFunctionData(method, args) }, toQuantity(head)])
        .then((answer) => views.decodeFunctionResult(method, answer))
    const [file] = await call(storageAddress, "getFileByName", bucketId, name)
    if (BigInt(file.id) === 0n) return
    const [, isPublic] = await call(accessAddress, "getFileAccessInfo", fileId)
    const root = getBytes(file.fileCID)
    files.set(fileId, {
      rootCid: root.length === 0 ? "" : `b${base32(root)}`,
      size: Number(file.actualSize),
      chunks: file.chunks.chunkCIDs.length,
      isPublic
    })
  }))
  const { minedCount, pendingCount } = await countsOf(provider, owner)
  return {
    transactions,
    // Whose an unknown event is, only its transaction reports.
    effects: logs.flatMap((log) =>
      effectOf(log)
        .filter(({ kind }) => Object.hasOwn(contractEvents, kind) || own.has(log.transactionHash))
        .map((one) => ({ ...one, transactionHash: log.transactionHash }))
    ),
    minedCount,
    pendingCount,
    existing,
    files
  }
}

/** Where the files of jobs are on the network, by their ids. */
const placesOf = (jobs: Folded["jobs"]) =>
  new Map(
    Array.from(jobs.values()).filter(({ operation }) => operations[operation].kind === "file").map(
      ({ bucketName, owner, request }) => [
        fileIdOf({ ...request, owner }),
        { bucketId: bucketIdOf(bucketName, owner), name: String(request.nameOnWire ?? request.name) }
      ]
    )
  )

const views = new Interface([
  "function getFileByName(bytes32 bucketId, string fileName) view returns (tuple(bytes32 id, bytes fileCID, bytes32 bucketId, string name, uint256 encodedSize, uint256 createdAt, uint256 actualSize, tuple(bytes[] chunkCIDs, uint256[] chunkSize, uint32[] fulfilledBlocks) chunks) file)",
  "function getFileAccessInfo(bytes32 fileId) view returns (address policy, bool isPublic)"
])

/** RFC 4648, in lower case and without padding, as CIDs are written. */
const base32 = (bytes: Uint8Array): string => {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("")
  return Array.from(
    { length: Math.ceil(bits.length / 5) },
    (_, n) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(bits.slice(5 * n, 5 * n + 5).padEnd(5, "0"), 2)]
  ).join("")
}

const withPostgres = <A>(databaseUrl: string, read: (client: Client) => Promise<A>) =>
  Effect.acquireUseRelease(
    attempt("read model", async () => {
      const client = new Client({
        connectionString: databaseUrl,
        connectionTimeoutMillis: 5_000,
        query_timeout: 60_000
      })
      // A server that goes is reported by the query that fails; without a listener it would end this process.
      client.on("error", () => {})
      await client.connect()
      return client
    }),
    (client) => attempt("read model", () => read(client)),
    (client) => Effect.promise(() => client.end().catch(() => {}))
  )

const checkpointOf = async (client: Client): Promise<World.ReadModel["checkpoint"]> => {
  const { rows: [row] } = await client.query(
    `select sequence, encode(hash, 'hex') as hash from ${schema}.projection_checkpoint where name = 'events'`
  )
  return { sequence: Number(row?.sequence ?? 0), hash: row?.hash ?? "" }
}

const readModelOf = async (client: Client): Promise<World.ReadModel> => {
  const table = async (query: string) => (await client.query(query)).rows
  const jobs = await table(
    `select id, operation, bucket_name, file_name, owner, status, created_at, updated_at, revision, job from ${schema}.bucket_jobs`
  )
  const files = await table(
    `select file_id, owner, bucket_name, name, root_cid, size, encoded_size, sha256, content_type, encryption, key_id, name_on_wire,
      parity_blocks, is_public, tenant, job_id, created_at, revision from ${schema}.files`
  )
  const webhooks = await table(`select id, owner, tenant, status, revision from ${schema}.webhooks`)
  const deliveries = await table(
    `select webhook_id || ' ' || sequence as key, outcome, revision, delivery from ${schema}.webhook_deliveries`
  )
  const segments = await table(`select events from ${schema}.event_segments order by first_sequence`)
  const archive = await Promise.all(segments.map(({ events }) => Segment.unpack(events)))
  return {
    jobs: jobs.map(({ job, ...row }) => ({
      ...row,
      created_at: row.created_at.toISOString(),
      updated_at: row.updated_at.toISOString(),
      revision: Number(row.revision),
      tx_hash: job.transactionHash ?? null,
      error: job.error ?? null,
      // A job that was never begun has none.
      attempts: job.attempts ?? 0,
      result: job.result ?? null
    })),
    buckets: await table(`select owner, name, bucket_id, tx_hash, job_id from ${schema}.buckets`),
    files: files.map((row) => ({
      ...row,
      size: Number(row.size),
      encoded_size: Number(row.encoded_size),
      created_at: row.created_at.toISOString(),
      revision: Number(row.revision)
    })),
    webhooks: webhooks.map((row) => ({ ...row, revision: Number(row.revision) })),
    deliveries: deliveries.map(({ delivery, revision, ...row }) => ({
      ...row,
      attempts: delivery.attempts,
      revision: Number(revision)
    })),
    archive: archive.flat().map(({ data, headers, sequence, subject }) => ({
      sequence,
      subject,
      headers: JSON.stringify(Object.entries(headers)),
      data: Buffer.from(data).toString("hex")
    })),
    checkpoint: await checkpointOf(client)
  }
}

/** Names of what a stack has staged, whole or not, in a folder. */
export const stagedIn = (dataDir: string): ReadonlyArray<string> => {
  const folder = join(dataDir, "staging")
  return existsSync(folder)
    ? readdirSync(folder, { recursive: true }).map((path) => basename(String(path))).filter((name) => name.length >= 36)
    : []
}

const textsIn = (folder: string): World.World["texts"] =>
  readdirSync(folder).map((name) => ({ where: name, text: readFileSync(join(folder, name), "utf8") }))
