/**
 * Compares the log with its archive, event by event, along the hash chain, and tells by what was stated of the chain which of them
 * was changed. It is pure, and needs the same memory however many events there are.
 */
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import { Alignment, type Entry, entryOf, isSame, type Pair, type Side, sides } from "./Alignment.ts"
import { type Blame, type Finding, findingsOf, type Statement } from "./Findings.ts"

/** Findings that are kept; of the rest, the count. */
const mostFindings = 1_000
/** Pairs that are not the same, and that no statement has judged yet. */
const mostPending = 10_000

export interface Result {
  readonly findings: ReadonlyArray<Finding>
  /** Findings beyond those that are kept. */
  readonly more: number
  /** Events that are the same in both stores. */
  readonly same: number
  /** Events of the archive that were taken out of the log's stream. */
  readonly archivedOut: number
  /** The statements that one store fits at least. */
  readonly confirmed: ReadonlyArray<Statement>
  readonly lastSequence: number
  /** The hash chain's hash there, where both stores have the same. */
  readonly hash: string | undefined
}

/** One store's hash chain: over all of it, and since the last statement, if that is taken to be right. */
class Chain {
  #whole: Uint8Array = HashChain.genesis
  #sinceStatement: Uint8Array = HashChain.genesis
  last = 0
  readonly #statements: ReadonlyArray<Statement>
  /** Whether this store is as stated, for each statement that it has passed. */
  readonly fits: Array<boolean> = []
  readonly hashes: Array<string> = []

  constructor(statements: ReadonlyArray<Statement>) {
    this.#statements = statements
  }

  get hash(): string {
    return Buffer.from(this.#whole).toString("hex")
  }

  /** Goes on to an event of this sequence. */
  pass(sequence: number): void {
    for (let next; (next = this.#statements[this.fits.length]) !== undefined && next.sequence < sequence;) {
      const stated = Buffer.from(next.hash, "hex")
      this.hashes.push(this.hash)
      this.fits.push(stated.equals(this.#whole) || stated.equals(this.#sinceStatement))
      this.#sinceStatement = stated.equals(this.#whole) ? this.#whole : stated
    }
  }

  add({ encoded, event }: Entry): void {
    const isOne = this.#whole === this.#sinceStatement
    this.#whole = HashChain.next(this.#whole, encoded)
    this.#sinceStatement = isOne ? this.#whole : HashChain.next(this.#sinceStatement, encoded)
    this.last = Math.max(this.last, event.sequence)
  }
}

export class Comparison {
  readonly #alignment: Alignment
  readonly #sparseUpTo: number
  readonly #statements: ReadonlyArray<Statement>
  readonly #chains: { readonly [S in Side]: Chain }
  #judged = 0
  #pending: Array<Pair> = []
  readonly #findings: Array<Finding> = []
  #more = 0
  #same = 0
  #archivedOut = 0
  readonly #confirmed: Array<Statement> = []

  /**
   * @param statements What was stated of the log, in any order.
   * @param sparseUpTo Up to this sequence, events may have been taken out of the log's stream: the archive's count for them.
   */
  constructor(statements: ReadonlyArray<Statement>, sparseUpTo = 0) {
    this.#alignment = new Alignment(sparseUpTo)
    this.#sparseUpTo = sparseUpTo
    this.#statements = statements.toSorted((a, b) => a.sequence - b.sequence)
    this.#chains = { log: new Chain(this.#statements), archive: new Chain(this.#statements) }
  }

  /** The store that is to be read on; undefined once both have ended. */
  get wanted(): Side | undefined {
    return this.#alignment.wanted
  }

  /** The next events of a store. */
  offer(side: Side, events: ReadonlyArray<StoredEvent>): void {
    this.#alignment.offer(side, events.map(entryOf))
    for (const pair of this.#alignment.pairs()) this.#take(pair)
  }

  /** A store has no more events. */
  end(side: Side): void {
    this.#alignment.end(side)
    for (const pair of this.#alignment.pairs()) this.#take(pair)
  }

  /** What was found, once both stores have ended. */
  result(): Result {
    const { archive, log } = this.#chains
    const lastSequence = Math.max(log.last, archive.last)
    for (const side of sides) this.#chains[side].pass(lastSequence + 1)
    this.#judge()
    this.#report(this.#pending, "unknown")
    for (const statement of this.#statements.filter(({ sequence }) => sequence > lastSequence)) {
      this.#keep({ _tag: "NotReached", lastSequence, statement })
    }
    return {
      findings: this.#findings,
      more: this.#more,
      same: this.#same,
      archivedOut: this.#archivedOut,
      confirmed: this.#confirmed,
      lastSequence,
      hash: log.hash === archive.hash ? log.hash : undefined
    }
  }

  #take(pair: Pair): void {
    const { archive } = pair
    const isArchivedOut = pair.log === undefined && archive !== undefined && archive.event.sequence <= this.#sparseUpTo
    const chained = isArchivedOut ? { log: archive, archive } : pair
    for (const side of sides) {
      const entry = chained[side]
      if (entry !== undefined) this.#chains[side].pass(entry.event.sequence)
    }
    this.#judge()
    for (const side of sides) {
      const entry = chained[side]
      if (entry !== undefined) this.#chains[side].add(entry)
    }
    if (isArchivedOut) this.#archivedOut++
    else if (isSame(pair)) this.#same++
    else this.#pending.push(pair)
    if (this.#pending.length > mostPending) this.#report(this.#pending.splice(0), "unknown")
  }

  /** Holds both stores against the statements that both have passed. */
  #judge(): void {
    const { archive, log } = this.#chains
    for (; this.#judged < Math.min(log.fits.length, archive.fits.length); this.#judged++) {
      const statement = this.#statements[this.#judged] as Statement
      const after = this.#statements[this.#judged - 1]?.sequence ?? 0
      const [fitsLog, fitsArchive] = [log.fits[this.#judged], archive.fits[this.#judged]]
      const covered = this.#pending.filter((pair) => placeOf(pair) <= statement.sequence)
      this.#pending = this.#pending.filter((pair) => placeOf(pair) > statement.sequence)
      this.#report(covered, fitsLog === fitsArchive ? "unknown" : fitsLog ? "archive" : "log")
      if (fitsLog || fitsArchive) this.#confirmed.push(statement)
      else if (covered.length === 0) {
        this.#keep({ _tag: "NotAsStated", after, statement, hash: log.hashes[this.#judged] ?? "" })
      }
    }
  }

  #report(pairs: ReadonlyArray<Pair>, blame: Blame): void {
    for (const finding of findingsOf(pairs, blame)) this.#keep(finding)
  }

  #keep(finding: Finding): void {
    if (this.#findings.length < mostFindings) this.#findings.push(finding)
    else this.#more++
  }
}

const placeOf = ({ archive, log }: Pair): number =>
  Math.min(log?.event.sequence ?? Infinity, archive?.event.sequence ?? Infinity)
