/**
 * A chain for one wallet: blocks, a pool, a bucket contract, and the nodes that show them to the executors. It does what
 * real chains do to a client, and only that: every rule here is one that EVM nodes keep.
 */
import { concat, encodeRlp, toBeArray } from "ethers"
import * as Crates from "../Crates.ts"
import type { Dice } from "./Dice.ts"

export const chainId = 31_337n
export const storageAddress = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
export const walletAddress = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
export const gwei = 1_000_000_000n

/** What a transaction asks the contract for; "idle" is a transfer of nothing. */
export interface Call {
  readonly kind: "create" | "delete" | "idle"
  readonly name: string
  /** Where in the list of buckets the one to be deleted stands. */
  readonly index?: number
}

export interface Transaction {
  readonly hash: string
  readonly raw: string
  readonly nonce: number
  readonly call: Call
  readonly gasLimit: number
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

export interface Mined {
  readonly transaction: Transaction
  readonly isSuccess: boolean
  readonly gasUsed: number
}

export interface State {
  readonly nonce: number
  readonly balance: bigint
  /** The names of the buckets that exist, in the contract's order. */
  readonly list: ReadonlyArray<string>
  /** The last creation of each bucket that ever was. */
  readonly creations: ReadonlyMap<string, Change>
  /** The last deletion of each bucket that was deleted. */
  readonly deletions: ReadonlyMap<string, Change>
}

/** The transaction that changed a bucket. */
export interface Change {
  readonly hash: string
  readonly blockNumber: number
}

export interface Block {
  readonly parent: Block | undefined
  readonly number: number
  readonly hash: string
  /** In milliseconds. */
  readonly time: number
  readonly baseFee: bigint
  readonly mined: ReadonlyArray<Mined>
  readonly after: State
}

/** One of the nodes behind the address that executors ask. */
export interface Node {
  head: Block
  /** Until when it takes no new blocks. */
  stalledUntil: number
}

interface Pooled {
  readonly transaction: Transaction
  /** When each node hears of it. */
  readonly knownAt: ReadonlyArray<number>
}

export type Refusal =
  | "nonce_too_low"
  | "nonce_too_high"
  | "underpriced"
  | "replacement_underpriced"
  | "insufficient_funds"
  | "fee_below_base_fee"
  | "gas_limit"
  | "other"

/** How this chain's nodes behave where real ones differ. */
export interface Rules {
  readonly nodes: number
  /** A transaction behind a gap is kept for later, or refused. */
  readonly keepsGaps: boolean
  /** A transaction that offers less than the base fee is kept for later, or refused. */
  readonly keepsCheap: boolean
  /** What is mined is said to be known already, or to have a used nonce. */
  readonly knowsMined: boolean
  /** Gas units in a block that are left for this wallet. */
  readonly blockGas: number
  readonly balance: bigint
  /** The fewest wei per gas unit that the base fee falls to. */
  readonly calmFee: bigint
  /** Transactions that the wallet sent before. */
  readonly nonce: number
  /** A call is tried on what waits in the pool too, or on the latest block only. */
  readonly simulatesPool: boolean
  /** Nodes have dropped the logs of what was long ago, or have all of them. */
  readonly forgetsLogs: boolean
  /** A reorganisation leaves stalled nodes on the blocks that it dropped. */
  readonly leavesForks: boolean
}

export const gasOf: Readonly<Record<Call["kind"], number>> = { create: 150_000, delete: 90_000, idle: 21_000 }

/** The call as the data of a transaction, and back. */
export const dataOf = ({ index = 0, kind, name }: Call): string =>
  kind === "idle" ? "0x" : `0x${Buffer.from(`${kind}:${name}:${index}`).toString("hex")}`
export const callOf = (data: string): Call => {
  const [kind = "", name = "", index = ""] = Buffer.from(data.slice(2), "hex").toString().split(":")
  return { kind: kind === "create" || kind === "delete" ? kind : "idle", name, index: Number(index) }
}

/** The error by which the contract refuses the call, if it does. */
export const refusalOf = ({ index, kind, name }: Call, { list }: State) => {
  const before = Crates.before(name)
  if (kind === "create" && before !== undefined && !list.includes(before)) return "BucketNonexists"
  if (kind === "create" && list.includes(name)) return "BucketAlreadyExists"
  if (kind !== "delete") return undefined
  if (!list.includes(name)) return "BucketNonexists"
  return list[index ?? 0] === name ? undefined : "IndexMismatch"
}

/** The state after a call that the contract takes. */
const apply = (state: State, { kind, name }: Call, change: Change): State => {
  if (kind === "idle") return state
  const { creations, deletions, list } = state
  if (kind === "create") {
    return { ...state, list: [...list, name], creations: new Map(creations).set(name, change) }
  }
  // The last one of the list moves to the place of the one that is deleted.
  const last = list.at(-1) ?? name
  const moved = list.slice(0, -1).map((one) => one === name ? last : one)
  const left = name.includes("#") ? list.filter((one) => !Crates.goesWith(one, name)) : moved
  return { ...state, list: left, deletions: new Map(deletions).set(name, change) }
}

/** The transaction as it would be signed: of type 2, without the signature, which nobody here would check. */
export const transactionOf = (
  { call, gasLimit, maxFeePerGas, maxPriorityFeePerGas, nonce }: Omit<Transaction, "hash" | "raw">
): Transaction => {
  const to = call.kind === "idle" ? walletAddress : storageAddress
  const amounts = [chainId, nonce, maxPriorityFeePerGas, maxFeePerGas, gasLimit].map((amount) => toBeArray(amount))
  const raw = concat(["0x02", encodeRlp([...amounts, to, "0x", dataOf(call), []])])
  return { hash: hashOf(raw), raw, nonce, call, gasLimit, maxFeePerGas, maxPriorityFeePerGas }
}

/** Long enough never to meet in a run, and forty times as fast as a real one. */
const hashOf = (text: string) => {
  let [one, other] = [0x811c_9dc5, 0x9e37_79b9]
  for (let n = 0; n < text.length; n++) {
    one = Math.imul(one ^ text.charCodeAt(n), 0x0100_0193)
    other = Math.imul(other ^ text.charCodeAt(n), 0x85eb_ca6b)
  }
  const hex = [one, other].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("")
  return `0x${hex.padStart(64, "0")}`
}

export type SimulatedChain = ReturnType<typeof make>

export const make = (rules: Rules, dice: Dice, now: () => number) => {
  const pool = new Map<number, Pooled>()
  /** Every transaction that any node was handed, by its bytes. */
  const known = new Map<string, Transaction>()
  /** What others have paid to the wallet, less what was taken from it. */
  let paid = 0n
  let tip = gwei
  let feeTarget = rules.calmFee
  let head: Block = {
    parent: undefined,
    number: 10,
    hash: hashOf("genesis"),
    time: now(),
    baseFee: rules.calmFee,
    mined: [],
    after: { nonce: rules.nonce, balance: rules.balance, list: [], creations: new Map(), deletions: new Map() }
  }
  const nodes: ReadonlyArray<Node> = Array.from({ length: rules.nodes }, () => ({ head, stalledUntil: 0 }))
  /** The block before which nothing can be reorganised. */
  const genesis = head

  const execute = (state: State, transaction: Transaction, blockNumber: number, baseFee: bigint): [State, Mined] => {
    const { call, gasLimit } = transaction
    const isSuccess = gasOf[call.kind] <= gasLimit && refusalOf(call, state) === undefined
    const gasUsed = isSuccess ? gasOf[call.kind] : Math.min(gasLimit, 30_000)
    const tipPaid = transaction.maxFeePerGas - baseFee
    const price = baseFee + (tipPaid < transaction.maxPriorityFeePerGas ? tipPaid : transaction.maxPriorityFeePerGas)
    const changed = isSuccess ? apply(state, call, { hash: transaction.hash, blockNumber }) : state
    const after = { ...changed, nonce: state.nonce + 1, balance: state.balance - BigInt(gasUsed) * price }
    return [after, { transaction, isSuccess, gasUsed }]
  }

  const costOf = ({ gasLimit, maxFeePerGas }: Transaction) => BigInt(gasLimit) * maxFeePerGas

  /** The base fee moves by an eighth at most, towards where the traffic of others drives it. */
  const nextBaseFee = () => {
    const { baseFee } = head
    if (baseFee < feeTarget) return min(baseFee + baseFee / 8n, feeTarget)
    return max(baseFee - baseFee / 8n, feeTarget)
  }

  const listeners = new Set<() => void>()

  /** Mines one block. A miner may leave out what it could take: it has not heard of it, or has no room. */
  const mine = (inclusion: number) => {
    const baseFee = nextBaseFee()
    const number = head.number + 1
    let state = head.after
    let room = rules.blockGas
    const mined: Array<Mined> = []
    while (true) {
      const next = pool.get(state.nonce)?.transaction
      if (next === undefined || next.gasLimit > room || next.maxFeePerGas < baseFee) break
      if (costOf(next) > state.balance + paid || !dice.chance(inclusion)) break
      pool.delete(next.nonce)
      room -= next.gasLimit
      const [after, done] = execute(state, next, number, baseFee)
      state = after
      mined.push(done)
    }
    head = {
      parent: head,
      number,
      hash: hashOf(`${head.hash} ${now()} ${mined.length} ${dice.next()}`),
      time: now(),
      baseFee,
      mined,
      after: state
    }
    // What the nonce has passed by can't be mined any more.
    for (const nonce of pool.keys()) if (nonce < state.nonce) pool.delete(nonce)
    for (const node of nodes) if (node.stalledUntil <= now()) node.head = head
    for (const listener of Array.from(listeners)) listener()
  }

  /** Replaces the last blocks by others. Their transactions go back to the pool, or are lost. */
  const reorganise = (depth: number, returning: number) => {
    const dropped: Array<Block> = []
    while (dropped.length < depth && head.parent !== undefined && head !== genesis) {
      dropped.push(head)
      head = head.parent
    }
    for (const block of dropped) {
      for (const { transaction } of block.mined) {
        if (!pool.has(transaction.nonce) && dice.chance(returning)) {
          pool.set(transaction.nonce, { transaction, knownAt: nodes.map(() => 0) })
        }
      }
    }
    for (let n = 0; n <= dropped.length; n++) mine(dice.pick([0, 0.5, 1]))
    if (rules.leavesForks) return
    for (const node of nodes) {
      while (!isCanonical(node.head)) node.head = node.head.parent ?? head
    }
  }

  const isCanonical = (block: Block) => {
    let at: Block | undefined = head
    while (at !== undefined && at.number > block.number) at = at.parent
    return at === block
  }

  /** Whether a node has the transaction in its pool or in a block. */
  const isKnownTo = (n: number, hash: string) => {
    for (const { knownAt, transaction } of pool.values()) {
      if (transaction.hash === hash) return (knownAt[n] ?? Infinity) <= now()
    }
    return minedIn(head, hash) !== undefined
  }

  const pendingAt = (n: number) => {
    let nonce = (nodes[n] as Node).head.after.nonce
    while (true) {
      const pooled = pool.get(nonce)
      // A node that is behind still has in its pool what others have mined.
      const isHere = pooled === undefined ? nonce < head.after.nonce : (pooled.knownAt[n] ?? Infinity) <= now()
      if (!isHere) return nonce
      nonce += 1
    }
  }

  /** The state after what a node has in its pool, if it were mined as it is. */
  const poolStateAt = (n: number): State => {
    const { after, number } = (nodes[n] as Node).head
    let state = after
    for (let pooled = pool.get(state.nonce); pooled !== undefined; pooled = pool.get(state.nonce)) {
      if ((pooled.knownAt[n] ?? Infinity) > now()) break
      state = execute(state, pooled.transaction, number + 1, 0n)[0]
    }
    return state
  }

  const balanceAt = (n: number) => (nodes[n] as Node).head.after.balance + paid

  /** Hands a transaction to a node, which passes it on to the others. */
  const receive = (n: number, transaction: Transaction): "accepted" | "already_known" | Refusal => {
    const node = nodes[n] as Node
    known.set(transaction.raw, transaction)
    const { hash, nonce } = transaction
    const isMined = minedIn(node.head, hash) !== undefined
    if (isMined) return rules.knowsMined ? "already_known" : "nonce_too_low"
    if (isKnownTo(n, hash)) return "already_known"
    if (nonce < node.head.after.nonce) return "nonce_too_low"
    if (!rules.keepsCheap && transaction.maxFeePerGas < node.head.baseFee) return "fee_below_base_fee"
    if (costOf(transaction) > balanceAt(n)) return "insufficient_funds"
    if (!rules.keepsGaps && nonce > pendingAt(n)) return "nonce_too_high"
    // The others have no use for it.
    if (nonce < head.after.nonce) return "accepted"
    const knownAt = nodes.map((_, other) => other === n ? 0 : now() + dice.pick([0, 0, 200, 2_000]))
    const there = pool.get(nonce)?.transaction
    if (there !== undefined && there.hash !== hash && !outbids(transaction, there)) return "replacement_underpriced"
    pool.set(nonce, { transaction, knownAt })
    return "accepted"
  }

  return {
    rules,
    nodes,
    pool,
    head: () => head,
    mine,
    /** Calls the listener at every new head, until what this gives is called. */
    listen: (listener: () => void) => {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    reorganise,
    receive,
    isKnownTo,
    pendingAt,
    /** The state in which a node tries a call. */
    simulatedAt: (n: number): State => rules.simulatesPool ? poolStateAt(n) : (nodes[n] as Node).head.after,
    /** The tip that nodes suggest. */
    tip: () => tip,
    /** Where others drive the fees from now on. */
    setMarket: (target: bigint, suggested: bigint) => {
      feeTarget = target
      tip = suggested
    },
    balanceAt,
    /** Pays the wallet; a negative amount takes from it. */
    pay: (amount: bigint) => {
      paid += amount
    },
    wasSeen: (raw: string) => known.has(raw),
    /** Nodes lose what waits. */
    dropPool: (kept: number) => {
      for (const nonce of Array.from(pool.keys())) if (!dice.chance(kept)) pool.delete(nonce)
    }
  }
}

/** A tenth more on both is what nodes ask of a transaction that takes another one's place. */
const outbids = (one: Transaction, other: Transaction) =>
  10n * one.maxFeePerGas >= 11n * other.maxFeePerGas &&
  10n * one.maxPriorityFeePerGas >= 11n * other.maxPriorityFeePerGas

/** The block of a chain that ends here which holds the transaction. */
export const minedIn = (head: Block, hash: string): { readonly block: Block; readonly mined: Mined } | undefined => {
  for (let block: Block | undefined = head; block !== undefined; block = block.parent) {
    const mined = block.mined.find(({ transaction }) => transaction.hash === hash)
    if (mined !== undefined) return { block, mined }
  }
  return undefined
}

export const blockAt = (head: Block, number: number): Block | undefined => {
  let block: Block | undefined = head
  while (block !== undefined && block.number > number) block = block.parent
  return block?.number === number ? block : undefined
}

const min = (a: bigint, b: bigint) => (a < b ? a : b)
const max = (a: bigint, b: bigint) => (a > b ? a : b)
