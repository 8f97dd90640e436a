/**
 * The transactions of a wallet, for use without the gateway: nonces in order, sent one after the other, waited for together.
 * All changes of one wallet in a process go through one sender.
 */
import { Context, type Duration, Effect, Layer, Option, Schedule, Semaphore } from "effect"
import { Chain, type Receipt } from "./Chain.ts"
import { type RpcError, SettleTimeout, type TransactionRefused, TransactionReverted } from "./Errors.ts"
import { transient } from "./Retry.ts"
import { type Prepared, type Signed, Wallet } from "./Wallet.ts"

export interface SettleOptions {
  /** Blocks that must hold the transaction or follow it; 1, the default, means that it is mined. */
  readonly confirmations?: number
  /** 2 minutes by default. */
  readonly timeout?: Duration.Input
}

export interface CarryOutOptions extends SettleOptions {
  /** Runs once the chain's node has the transaction, with its hash. */
  readonly onSent?: (hash: string) => Effect.Effect<unknown>
}

export class Sender extends Context.Service<Sender, {
  /**
   * Sends what is prepared, and gives the receipt once it is mined. What is prepared must look at what waits to be mined. An
   * error that `isDone` says that the change is so already; if an earlier try of this call has done it, that one's receipt is
   * given. Calls may overlap: their transactions get successive nonces and wait together. One that the chain's node loses while
   * it waits, as a reorganisation or a restart may do, is handed to it again.
   */
  carryOut<E extends Failure>(
    prepare: Effect.Effect<Prepared, E>,
    isDone: (error: E) => boolean,
    options?: CarryOutOptions
  ): Effect.Effect<Receipt, E | RpcError | TransactionRefused | TransactionReverted | SettleTimeout>
  /** Waits until a transaction is mined, and as deep as asked for. Trouble on the way is waited out until time is up. */
  settle(
    hash: string,
    options?: SettleOptions
  ): Effect.Effect<Receipt, TransactionReverted | SettleTimeout | RpcError>
}>()("@akave-async/sdk/Sender") {
  static readonly layer: Layer.Layer<Sender, never, Chain | Wallet> = Layer.effect(Sender, Effect.suspend(() => make))
}

/** How often a transaction that is waited for is looked for: blocks may come fast, or take seconds. */
const looking = Schedule.min([Schedule.exponential("25 millis", 1.5), Schedule.spaced("250 millis")])

/** After so many looks in vain, about 5 s, the transaction is handed to the chain's node again, which may have lost it. */
const looksPerSend = 25

/** Another nonce is tried this often at most, when others use the same key. */
const nonceTries = { times: 5, schedule: Schedule.jittered(Schedule.spaced("200 millis")) }

// oxlint-disable-next-line max-lines-per-function -- its calls share the wallet's nonces
const make = Effect.gen(function*() {
  const chain = yield* Chain
  const wallet = yield* Wallet

  const settleSent = Effect.fn("Sender.settle")(function*(hash: string, raw?: string, options: SettleOptions = {}) {
    const { confirmations = 1, timeout = "2 minutes" } = options
    let looks = 0
    const settled = Effect.gen(function*() {
      const receipt = yield* chain.receipt(hash)
      looks = Option.isSome(receipt) ? 0 : looks + 1
      if (raw !== undefined && looks > 0 && looks % looksPerSend === 0) yield* Effect.ignore(chain.send(raw))
      if (confirmations <= 1 || Option.isNone(receipt)) return receipt
      const depth = (yield* chain.blockNumber) - receipt.value.blockNumber + 1
      return depth >= confirmations ? receipt : Option.none()
    })
    const found = yield* settled.pipe(
      Effect.catchIf((error) => error.isRetryable, () => Effect.succeedNone),
      Effect.repeat({ until: Option.isSome, schedule: looking }),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail(new SettleTimeout({ transactionHash: hash }))
      })
    )
    const receipt = yield* Effect.fromOption(found).pipe(Effect.orDie)
    if (receipt.status === "success") return receipt
    const cause = yield* Effect.option(chain.explainRevert(receipt))
    return yield* new TransactionReverted({
      transactionHash: hash,
      blockNumber: receipt.blockNumber,
      ...(Option.isSome(cause) ? { cause: cause.value } : {})
    })
  })

  const settle: Sender["Service"]["settle"] = (hash, options) => settleSent(hash, undefined, options)

  // One transaction at a time is given a nonce and sent; any number may then wait to be mined. The node's pool may know
  // of a transaction later than we do, so while some wait, the next nonce is at least the one after the last of them.
  const turn = yield* Semaphore.make(1)
  let inFlight = 0
  let leastNonce = 0

  /** Succeeds once the chain's node has the transaction. One that is refused, but is there, went out before. */
  const broadcast = ({ hash, nonce, raw }: Signed) =>
    chain.send(raw).pipe(
      Effect.retry({ ...transient, while: (error) => error._tag === "RpcError" && error.isRetryable }),
      Effect.catchTag("TransactionRefused", (refusal) =>
        Effect.flatMap(chain.transactionKnown(hash), (isKnown) =>
          isKnown ? Effect.void : Effect.fail(refusal))),
      Effect.tapError((error) =>
        Effect.sync(() => {
          if (isTaken(error)) {
            leastNonce = nonce + 1
          } else if (isGap(error)) {
            leastNonce = 0
          }
        })
      ),
      Effect.tap(() =>
        Effect.sync(() => {
          leastNonce = nonce + 1
          inFlight += 1
        })
      ),
      Effect.uninterruptible
    )

  /**
   * Sends a transaction that the contract refuses as `done` once it is mined, and gives it. Each try looks at the
   * chain first, with what waits there: an earlier transaction for the same bucket, of this process or of another one with
   * this key, may not be mined yet. No try begins while an earlier one may be mined.
   */
  const submit = <E extends Failure>(prepare: Effect.Effect<Prepared, E>, isDone: (error: E) => boolean) =>
    Effect.suspend(() => {
      if (inFlight === 0) leastNonce = 0
      const earlier: Array<Signed> = []
      const attempt = Effect.gen(function*() {
        const [prepared, fees, pending] = yield* Effect.all([
          prepare,
          chain.fees,
          chain.transactionCount(wallet.address, "pending")
        ], { concurrency: 3 })
        const signed = yield* wallet.sign(prepared, { nonce: Math.max(pending, leastNonce), fees })
        earlier.push(signed)
        yield* broadcast(signed)
        return signed
      })
      const minedEarlier = Effect.suspend(() =>
        Effect.filter(earlier, ({ hash }) => Effect.map(chain.receipt(hash), Option.isSome))
      )
      return attempt.pipe(
        Effect.retry({ ...nonceTries, while: isNonceTrouble }),
        Effect.catchIf(
          (error): error is E => isDone(error as E),
          (error) =>
            Effect.flatMap(minedEarlier, ([signed]) => {
              if (signed === undefined) {
                return Effect.fail(error)
              }
              inFlight += 1
              return Effect.succeed(signed)
            })
        )
      )
    })

  const carryOut: Sender["Service"]["carryOut"] = (prepare, isDone, options = {}) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(turn.withPermit(submit(prepare, isDone))), ({ hash, raw }) =>
        Effect.ensuring(
          restore(Effect.andThen(options.onSent?.(hash) ?? Effect.void, settleSent(hash, raw, options))),
          Effect.sync(() => {
            inFlight -= 1
          })
        ))
    )

  return Sender.of({ carryOut, settle })
})

interface Failure {
  readonly _tag: string
  readonly reason?: unknown
}

/** Another transaction has this nonce, mined or waiting. */
const isTaken = ({ _tag, reason }: Failure): boolean =>
  _tag === "TransactionRefused" && (reason === "nonce_too_low" || reason === "replacement_underpriced")

/** A nonce below this one is missing: a transaction that we sent was lost. */
const isGap = ({ _tag, reason }: Failure): boolean => _tag === "TransactionRefused" && reason === "nonce_too_high"

const isNonceTrouble = (error: Failure): boolean => isTaken(error) || isGap(error)
