// oxlint-disable max-lines -- the journal's format, its writer and its reader belong together
/**
 * The chain in its folder: `chain.json` is a whole dump by Anvil, `chain.journal` has a line for each block since. A line
 * holds what its block changed, in absolute values, so what a block costs does not depend on the length of the chain.
 *
 * A new dump is taken where lines cannot hold what happened: at the first block, after a reorganisation, and after calls
 * that change the chain without a block (`anvil_setBalance`, say), and where the journal has outgrown the dump. A stop takes
 * a dump of all; where the devnet was killed, the next start turns dump and journal into one.
 */
import { Clock, Data, Deferred, Duration, Effect, FileSystem, type Latch, Option, Path, Schema, Stream } from "effect"
import { createHash } from "node:crypto"
import { promisify } from "node:util"
import { gunzip, gzip } from "node:zlib"

export class StateUnreadable extends Schema.TaggedError<StateUnreadable>()("StateUnreadable", {
  path: Schema.String,
  detail: Schema.String
}) {
  override readonly message =
    `The kept chain ${this.path} cannot be read: move the file away to begin a new chain (${this.detail})`
}
export class JournalUnreadable extends Schema.TaggedError<JournalUnreadable>()("JournalUnreadable", {
  path: Schema.String,
  detail: Schema.String
}) {
  override readonly message =
    `The kept chain's journal ${this.path} cannot be read: move its whole folder away to begin a new chain (${this.detail})`
}
/** Why a dump is due in place of lines. It goes no further than this module. */
class NotToldByLines extends Data.TaggedError("NotToldByLines") {}

/** Asks Anvil. */
export type Rpc<E> = (method: string, params: ReadonlyArray<unknown>) => Effect.Effect<unknown, E>

export interface Files {
  readonly dump: string
  readonly journal: string
}

/** The folder's files; the folder is made if it is missing. */
export const files = Effect.fnUntraced(function*(dataDir: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const dump = path.join(dataDir, "chain.json")
  yield* fs.makeDirectory(dataDir, { recursive: true }).pipe(
    Effect.mapError((error) => new StateUnreadable({ path: dump, detail: error.message }))
  )
  return { dump, journal: path.join(dataDir, "chain.journal") } satisfies Files
})

// ── What a line holds ──────────────────────────────────────────────────────────────────────────────────────────────

const Fields = Schema.Record(Schema.String, Schema.Unknown)
type Fields = typeof Fields.Type

const Account = Schema.Struct({
  balance: Schema.optionalKey(Schema.String),
  nonce: Schema.optionalKey(Schema.String),
  code: Schema.optionalKey(Schema.String),
  storage: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
})
type Account = typeof Account.Type
const Mined = Schema.Struct({
  /** As it was signed. */
  transaction: Fields,
  receipt: Fields,
  from: Schema.String,
  contractAddress: Schema.NullOr(Schema.String),
  gasUsed: Schema.String,
  output: Schema.String
})
type Mined = typeof Mined.Type
/** A block: the header's fields that differ from the block before it, its transactions, and what these left behind. */
const Line = Schema.Struct({
  hash: Schema.String,
  header: Fields,
  transactions: Schema.optionalKey(Schema.Array(Mined)),
  accounts: Schema.optionalKey(Schema.Record(Schema.String, Account))
})
type Line = typeof Line.Type
/** The first line: which dump the journal follows, by the SHA-256 of its file. */
const First = Schema.Struct({ journal: Schema.Literal(1), dump: Schema.String })

const decodeLine = Schema.decodeEffect(Schema.fromJsonString(Line))
const decodeFirst = Schema.decodeEffect(Schema.fromJsonString(First))

// ── What Anvil answers ─────────────────────────────────────────────────────────────────────────────────────────────

const Block = Schema.StructWithRest(
  Schema.Struct({
    hash: Schema.String,
    parentHash: Schema.String,
    number: Schema.String,
    transactions: Schema.Array(Schema.Union([Schema.String, Fields]))
  }),
  [Fields]
)
type Block = typeof Block.Type
const Receipt = Schema.StructWithRest(
  Schema.Struct({ from: Schema.String, contractAddress: Schema.NullOr(Schema.String), gasUsed: Schema.String }),
  [Fields]
)
const Change = Schema.Union([
  Schema.Literal("="),
  Schema.Struct({ "*": Schema.Struct({ to: Schema.String }) }),
  Schema.Struct({ "+": Schema.String }),
  Schema.Struct({ "-": Schema.String })
])
type Change = typeof Change.Type
const Replays = Schema.Array(Schema.Struct({
  output: Schema.String,
  stateDiff: Schema.Record(
    Schema.String,
    Schema.Struct({
      balance: Change,
      code: Change,
      nonce: Change,
      storage: Schema.Record(Schema.String, Change)
    })
  )
}))

const decodeText = Schema.decodeUnknownEffect(Schema.String)
const decodeReceipts = Schema.decodeUnknownEffect(Schema.Array(Receipt))
const decodeReplays = Schema.decodeUnknownEffect(Replays)

/** With its whole transactions, or their hashes. */
const blockAt = <E>(rpc: Rpc<E>, number: string, isWhole: boolean) =>
  Effect.flatMap(rpc("eth_getBlockByNumber", [number, isWhole]), Schema.decodeUnknownEffect(Block))

const without = (fields: Fields, names: ReadonlySet<string>): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !names.has(name)))
const only = (fields: Fields, names: ReadonlyArray<string>): Fields =>
  Object.fromEntries(names.map((name) => [name, fields[name]]))

/** What Anvil returns of a block beyond its header. */
const notOfHeader = new Set(["hash", "transactions", "uncles", "withdrawals", "size", "totalDifficulty"])
const headerOf = (block: Block): Fields => without(block, notOfHeader)
/** What Anvil returns of a transaction beyond what was signed; a price was signed in the older types only. */
const notSigned = new Set(["blockHash", "blockNumber", "blockTimestamp", "transactionIndex", "from"])
const notSignedOfDynamicFee = new Set([...notSigned, "gasPrice"])
const signedOf = (transaction: Fields): Fields =>
  without(transaction, transaction["type"] === "0x2" ? notSignedOfDynamicFee : notSigned)

const zero = `0x${"00".repeat(32)}`
/** The value after the change; none where it stayed. */
const after = (change: Change): string | undefined => {
  if (change === "=") return undefined
  if ("*" in change) return change["*"].to
  return "+" in change ? change["+"] : zero
}

/** Later changes go over earlier ones. */
const merge = (accounts: Map<string, Account>, address: string, change: Account) => {
  const { storage, ...rest } = accounts.get(address) ?? {}
  accounts.set(address, { ...rest, ...change, storage: Object.assign(storage ?? {}, change.storage) })
}

// ── Calls that change the chain without a block ─────────────────────────────────────────────────────────────────────

/** Anvil reports the name of each call, under one name for all its aliases; these are no reason for a dump. */
const harmlessNamespace = /^(?:eth|net|web3|txpool|debug|trace|ots|erigon)_/
const harmless = new Set([
  "evm_mine",
  "evm_snapshot",
  "evm_setNextBlockTimestamp",
  "anvil_mine",
  "anvil_setNextBlockBaseFeePerGas",
  "anvil_dropTransaction",
  "anvil_dropAllTransactions",
  "anvil_removePoolTransactions",
  "anvil_dumpState",
  "anvil_nodeInfo",
  "anvil_metadata"
])
/** Sent in another's name, which only a dump shows. */
const unsigned = /^eth_send(?:Unsigned)?Transaction$/
const changesByHand = (call: string) => harmlessNamespace.test(call) ? unsigned.test(call) : !harmless.has(call)

/** A call that nobody makes where there is no proof of work. */
const mark = "eth_hashrate"
const markTimeout = Duration.seconds(5)

/** Listens to the names of Anvil's calls. */
export const listen = () => {
  let byHand = false
  let waiting: Array<Deferred.Deferred<void>> = []
  return {
    line: (line: string): Effect.Effect<void> => {
      if (!/^[a-z0-9]+_\w+$/.test(line)) return Effect.void
      if (line === mark) {
        const marked = waiting
        waiting = []
        return Effect.forEach(marked, (one) => Deferred.succeed(one, undefined), { discard: true })
      }
      if (changesByHand(line)) byHand = true
      return Effect.void
    },
    /** Whether the chain was changed by hand since the last {@link forget}. True too if Anvil does not report its calls. */
    isByHand: <E>(rpc: Rpc<E>) =>
      Effect.gen(function*() {
        const heard = yield* Deferred.make<void>()
        waiting.push(heard)
        // Anvil reports a call before it answers it, so what came before this one is heard before this one is.
        yield* rpc(mark, [])
        yield* Deferred.await(heard).pipe(
          Effect.timeoutOrElse({
            duration: markTimeout,
            orElse: () => Effect.andThen(rpc("anvil_setLoggingEnabled", [true]), Effect.sync(() => byHand = true))
          })
        )
        return byHand
      }),
    forget: Effect.sync(() => byHand = false)
  }
}
export type Calls = ReturnType<typeof listen>

// ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The SHA-256 of a dump. */
const identityOf = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const hash = createHash("sha256")
  yield* Stream.runForEach(fs.stream(path), (bytes) => Effect.sync(() => hash.update(bytes)))
  return hash.digest("hex")
})

/**
 * Hands out the journal's blocks, if it follows this dump. The last line may be unfinished or, after a power cut, have
 * its length but not its bytes: that block was not yet kept.
 */
const readJournal = Effect.fnUntraced(function*<E, R>(
  path: string,
  dump: string,
  each: (line: Line, bytes: number) => Effect.Effect<void, E, R>
) {
  const fs = yield* FileSystem.FileSystem
  if (!(yield* fs.exists(path))) return
  const size = Number((yield* fs.stat(path)).size)
  let number = 0
  let read = 0
  let follows = false
  const takeLine = Effect.fnUntraced(function*(text: string) {
    number++
    read += Buffer.byteLength(text) + 1
    if (read > size || (number > 1 && !follows)) return
    const unreadable = ({ message }: { readonly message: string }) =>
      new JournalUnreadable({ path, detail: `line ${number}: ${message.split("\n")[0]}` })
    const isLast = read === size
    if (number === 1) {
      const first = yield* Effect.result(decodeFirst(text))
      if (first._tag === "Failure") return isLast ? undefined : yield* unreadable(first.failure)
      follows = first.success.dump === dump
      return
    }
    const line = yield* Effect.result(decodeLine(text))
    if (line._tag === "Success") return yield* each(line.success, text.length)
    if (!isLast) return yield* unreadable(line.failure)
  })
  yield* fs.stream(path).pipe(Stream.decodeText(), Stream.splitLines, Stream.runForEach(takeLine))
})

/** How a part of a dump begins: what Anvil adds to a chain by `anvil_loadState`. */
const environmentOf = (header: Fields) => ({
  number: header["number"],
  beneficiary: header["miner"],
  timestamp: header["timestamp"],
  gas_limit: Number(header["gasLimit"]),
  basefee: Number(header["baseFeePerGas"]),
  difficulty: header["difficulty"],
  prevrandao: header["mixHash"],
  blob_excess_gas_and_price: { excess_blob_gas: Number(header["excessBlobGas"]), blob_gasprice: 1 },
  slot_num: 0
})

/** A transaction as a dump has it. Of its trace only the outermost call is kept. */
const dumpedOf = (mined: Mined, index: number, hash: string, number: number) => {
  const { contractAddress, from, output, transaction: signed } = mined
  const success = mined.receipt["status"] === "0x1"
  const exit = success ? "Return" : "Revert"
  const gasUsed = Number(mined.gasUsed)
  const call = {
    depth: 0,
    success,
    caller: from,
    address: contractAddress ?? signed["to"],
    maybe_precompile: null,
    selfdestruct_address: null,
    selfdestruct_refund_target: null,
    selfdestruct_transferred_value: null,
    kind: contractAddress === null ? "CALL" : "CREATE",
    value: signed["value"],
    data: signed["input"],
    output,
    gas_used: gasUsed,
    gas_limit: Number(signed["gas"]),
    gas_refund_counter: 0,
    status: exit,
    steps: [],
    decoded: null
  }
  return {
    info: {
      transaction_hash: signed["hash"],
      transaction_index: index,
      from,
      to: signed["to"],
      contract_address: contractAddress,
      traces: [{ parent: null, children: [], idx: 0, trace: call, logs: [], ordering: [] }],
      exit,
      out: output,
      nonce: Number(signed["nonce"]),
      gas_used: gasUsed
    },
    receipt: mined.receipt,
    block_hash: hash,
    block_number: number
  }
}

/** Lines that go to Anvil at once, in bytes. */
const partSize = 4_000_000

/** Adds the journal's blocks to an Anvil that has loaded the dump. */
const addTo = Effect.fnUntraced(function*<E>(rpc: Rpc<E>, files: Files, dump: string) {
  const head = yield* blockAt(rpc, "latest", false)
  let header: Fields = {}
  let hash = head.hash
  let size = 0
  let blocks: Array<unknown> = []
  let transactions: Array<unknown> = []
  let accounts = new Map<string, Account>()

  const load = Effect.gen(function*() {
    if (blocks.length === 0) return
    const whole = yield* Effect.forEach(accounts, ([address, account]) =>
      Effect.gen(function*() {
        const asked = (method: string) => Effect.flatMap(rpc(method, [address, "latest"]), decodeText)
        return [address, {
          balance: account.balance ?? (yield* asked("eth_getBalance")),
          nonce: Number(account.nonce ?? (yield* asked("eth_getTransactionCount"))),
          code: account.code ?? (yield* asked("eth_getCode")),
          storage: account.storage ?? {}
        }] as const
      }))
    const part = {
      block: environmentOf(header),
      accounts: Object.fromEntries(whole),
      best_block_number: Number(header["number"]),
      blocks,
      transactions,
      historical_states: null
    }
    const zipped = yield* Effect.promise(() => promisify(gzip)(JSON.stringify(part)))
    yield* rpc("anvil_loadState", [`0x${zipped.toString("hex")}`])
    size = 0
    blocks = []
    transactions = []
    accounts = new Map()
  })

  yield* readJournal(files.journal, dump, (line, bytes) =>
    Effect.gen(function*() {
      header = { ...header, ...line.header }
      const number = Number(header["number"])
      if (number <= Number(head.number)) return
      if (header["parentHash"] !== hash) {
        return yield* new JournalUnreadable({ path: files.journal, detail: `block ${number} does not follow` })
      }
      hash = line.hash
      const mined = line.transactions ?? []
      blocks.push({
        header,
        transactions: mined.map(({ transaction }) => ({ transaction, impersonated_sender: null })),
        ommers: [],
        withdrawals: null
      })
      transactions.push(...mined.map((one, index) => dumpedOf(one, index, line.hash, number)))
      for (const [address, account] of Object.entries(line.accounts ?? {})) merge(accounts, address, account)
      size += bytes
      if (size > partSize) yield* load
    }))
  yield* load

  const latest = yield* blockAt(rpc, "latest", false)
  if (latest.hash !== hash) {
    return yield* new JournalUnreadable({ path: files.journal, detail: `it does not lead to block ${hash}` })
  }
})

// ── Writing ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A finished file takes the place of the one before it, so that a kill in mid-write destroys nothing. */
const replace = Effect.fnUntraced(function*(path: string, content: Uint8Array) {
  const fs = yield* FileSystem.FileSystem
  const next = `${path}.next`
  yield* Effect.scoped(Effect.gen(function*() {
    const file = yield* fs.open(next, { flag: "w" })
    yield* file.writeAll(content)
    yield* file.sync
  }))
  yield* fs.rename(next, path)
})

const textOf = (line: unknown) => Buffer.from(`${JSON.stringify(line)}\n`)

/** Begins a journal. One that follows another dump, because a kill came between these two files, is not read. */
const beginJournal = (files: Files, dump: string) => replace(files.journal, textOf(First.make({ journal: 1, dump })))

/** Writes what Anvil dumps, begins a journal behind it, and gives the dump's size in bytes. */
const takeDump = Effect.fnUntraced(function*<E>(rpc: Rpc<E>, files: Files) {
  const dump = yield* Effect.flatMap(rpc("anvil_dumpState", []), decodeText)
  const text = yield* Effect.promise(() => promisify(gunzip)(Buffer.from(dump.slice(2), "hex")))
  yield* replace(files.dump, text)
  yield* beginJournal(files, createHash("sha256").update(text).digest("hex"))
  return text.length
})

/**
 * Makes the folder ready for a start: what the journal holds goes into the dump, by an Anvil of its own that nobody else
 * can ask. Gives the dump to load, if there is one; the journal then follows it.
 */
export const prepare = Effect.fnUntraced(function*<E, R>(
  files: Files,
  anvil: Effect.Effect<Rpc<E>, E | StateUnreadable, R>
) {
  const fs = yield* FileSystem.FileSystem
  if (!(yield* fs.exists(files.dump))) return Option.none<string>()
  const dump = yield* identityOf(files.dump)
  const size = (yield* fs.exists(files.journal)) ? Number((yield* fs.stat(files.journal)).size) : 0
  if (size <= textOf(First.make({ journal: 1, dump })).length) {
    yield* beginJournal(files, dump)
    return Option.some(files.dump)
  }
  yield* Effect.scoped(Effect.gen(function*() {
    const rpc = yield* anvil
    yield* addTo(rpc, files, dump)
    yield* takeDump(rpc, files)
  }))
  return Option.some(files.dump)
})

const receiptFields = ["type", "status", "cumulativeGasUsed", "logs", "logsBloom"]
const logFields = ["address", "topics", "data"]
const isFields = Schema.is(Fields)
/** The types whose transactions Anvil returns whole. */
const plainTypes: ReadonlySet<unknown> = new Set(["0x0", "0x1", "0x2"])

/** The line of a block; fails where a line can't hold all of it. The first line of a journal has its whole header. */
const lineOf = Effect.fnUntraced(function*<E>(rpc: Rpc<E>, block: Block, before: Block, isFirst: boolean) {
  const known = isFirst ? {} : headerOf(before)
  const header = Object.fromEntries(
    Object.entries(headerOf(block)).filter(([name, value]) => known[name] !== value)
  )
  if (block.transactions.length === 0) {
    // Where no transaction is, nothing else may have changed the state.
    if (before["stateRoot"] !== block["stateRoot"]) return yield* new NotToldByLines()
    return Line.make({ hash: block.hash, header })
  }

  const [whole, receipts, replays] = yield* Effect.all([
    blockAt(rpc, block.number, true),
    Effect.flatMap(rpc("eth_getBlockReceipts", [block.number]), decodeReceipts),
    Effect.flatMap(rpc("trace_replayBlockTransactions", [block.number, ["stateDiff"]]), decodeReplays)
  ], { concurrency: "unbounded" })
  const accounts = new Map<string, Account>()
  const transactions: Array<Mined> = []
  for (const [index, transaction] of whole.transactions.entries()) {
    const receipt = receipts[index]
    const replay = replays[index]
    if (
      receipt === undefined || replay === undefined || !isFields(transaction) || receipt["blockHash"] !== block.hash ||
      !plainTypes.has(transaction["type"])
    ) return yield* new NotToldByLines()
    const logs = Array.isArray(receipt["logs"]) ? receipt["logs"] : []
    transactions.push({
      transaction: signedOf(transaction),
      receipt: { ...only(receipt, receiptFields), logs: logs.map((log: Fields) => only(log, logFields)) },
      from: receipt.from,
      contractAddress: receipt.contractAddress,
      gasUsed: receipt.gasUsed,
      output: replay.output
    })
    for (const [address, { balance, code, nonce, storage }] of Object.entries(replay.stateDiff)) {
      // The account is gone.
      if (balance !== "=" && "-" in balance) return yield* new NotToldByLines()
      merge(accounts, address, {
        ...named("balance", after(balance)),
        ...named("nonce", after(nonce)),
        ...named("code", after(code)),
        storage: Object.fromEntries(Object.entries(storage).map(([slot, change]) => [slot, after(change) ?? zero]))
      })
    }
  }
  return Line.make({ hash: block.hash, header, transactions, accounts: Object.fromEntries(accounts) })
})
const named = (name: string, value: string | undefined) => value === undefined ? {} : { [name]: value }

/** The least time between two looks at a chain that mined nothing for us. */
const saveInterval = Duration.seconds(1)
const saveTimeout = Duration.seconds(30)
/** Dumps take a tenth of the time at most. */
const dumpPause = 10
/** What a start reads of a journal within some ten seconds, in bytes. */
const leastJournal = 16_000_000

/**
 * Whether a dump is due in place of further lines, so that a start after a kill takes a bounded time. As it waits for the
 * journal to be as large as the dump, dumps cost no more than the journal itself.
 */
export const isOutgrown = (journalSize: number, dumpSize: number): boolean =>
  journalSize > Math.max(dumpSize, leastJournal)

/**
 * Keeps each block within moments of its being mined, and once more at the end. `isLoaded` says whether the chain began
 * with the folder's dump; `mined` is opened after each block that the devnet mines itself.
 */
// oxlint-disable-next-line max-lines-per-function -- its operations share the open journal
export const keep = Effect.fnUntraced(function*<E extends { readonly message: string }>(
  { calls, files, isLoaded, isRunning, mined, rpc }: {
    readonly rpc: Rpc<E>
    readonly calls: Calls
    readonly files: Files
    readonly isLoaded: boolean
    readonly isRunning: Effect.Effect<boolean>
    readonly mined: Latch.Latch
  }
) {
  const fs = yield* FileSystem.FileSystem
  /** The last block in the folder; none while the journal can't go on and a dump is due. */
  let kept = isLoaded ? yield* blockAt(rpc, "latest", false) : undefined
  let dumpSize = isLoaded ? Number((yield* fs.stat(files.dump)).size) : 0
  /** Of the journal's lines, in bytes. */
  let journalSize = 0
  let dumpFrom = 0

  /** The lines from the last kept block to this one. */
  const linesTo = Effect.fnUntraced(function*(head: Block) {
    if (kept === undefined) return yield* new NotToldByLines()
    const lines: Array<Line> = []
    let last = kept
    while (last.hash !== head.hash) {
      const number = Number(last.number) + 1
      if (number > Number(head.number)) return yield* new NotToldByLines()
      const block = number === Number(head.number) ? head : yield* blockAt(rpc, `0x${number.toString(16)}`, false)
      if (block.parentHash !== last.hash) return yield* new NotToldByLines()
      lines.push(yield* lineOf(rpc, block, last, journalSize === 0 && lines.length === 0))
      last = block
    }
    return lines
  })

  const save = (isLast: boolean) =>
    Effect.gen(function*() {
      const head = yield* blockAt(rpc, "latest", false)
      const lines = yield* Effect.option(linesTo(head))
      const isByHand = yield* calls.isByHand(rpc)
      if (Option.isSome(lines) && !isByHand) {
        if (lines.value.length > 0) {
          kept = undefined
          const bytes = Buffer.concat(lines.value.map(textOf))
          yield* append(bytes)
          journalSize += bytes.length
          kept = head
        }
        // A dump at the end spares the next start the journal. If it is cut short, the journal is still there.
        if (journalSize === 0 || !(isLast || isOutgrown(journalSize, dumpSize))) return
      } else {
        kept = undefined
        if (!isLast && (yield* Clock.currentTimeMillis) < dumpFrom) return
      }
      // What is changed by hand while the dump is taken may be missing from it, and asks for the next one.
      yield* calls.forget
      const [elapsed, size] = yield* Effect.timed(takeDump(rpc, files))
      dumpFrom = (yield* Clock.currentTimeMillis) + dumpPause * Duration.toMillis(elapsed)
      dumpSize = size
      journalSize = 0
      kept = head
    }).pipe(
      Effect.timeout(saveTimeout),
      Effect.catch((error) =>
        // A chain that has ended is reported by `stopped`; its connections end a moment before that is known.
        Effect.when(
          Effect.logError(`The chain was not saved to ${files.dump}: ${error.message}`),
          Effect.delay(isRunning, "1 second")
        )
      ),
      Effect.withSpan("KeptChain.save")
    )

  const append = (bytes: Uint8Array) =>
    Effect.scoped(Effect.gen(function*() {
      const file = yield* fs.open(files.journal, { flag: "a" })
      yield* file.writeAll(bytes)
      yield* file.sync
    }))

  yield* Effect.addFinalizer(() => save(true))
  yield* Effect.timeoutOption(mined.await, saveInterval).pipe(
    Effect.andThen(mined.close),
    Effect.andThen(save(false)),
    Effect.forever,
    Effect.forkScoped
  )
})
