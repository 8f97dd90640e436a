/** Commands on dead letters. */
import { type Caller, sees } from "@akave-async/api/Caller"
import type { DeadLetterFilter, Redriven } from "@akave-async/api/Resources"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import { execute, load } from "@akave-async/eventing/DeadLetterEvents"
import { EventLog, type LogUnavailable } from "@akave-async/eventing/EventLog"
import { Context, Effect, Layer, Option } from "effect"
import { type LookupError, ReadModel } from "./ReadModel.ts"

type By = Caller["Service"]

/** Dead letters that one request redrives at most, and how many of them at once. */
const batch = 1_000
const concurrency = 16

export class DeadLetters extends Context.Service<DeadLetters, {
  /** Has a dead letter that the caller sees processed again, and gives it as it is then. */
  redrive(
    caller: By,
    sequence: DeadLetter.Sequence
  ): Effect.Effect<DeadLetter.DeadLetter, DeadLetter.NotDead | DeadLetter.AlreadyRedriven | LogUnavailable>
  /** Redrives those that the filter names, of all that the caller sees and that had died when this was called. */
  redriveAll(caller: By, filter: DeadLetterFilter): Effect.Effect<Redriven, LookupError>
}>()("@akave-async/gateway/DeadLetters") {
  static readonly layer = Layer.effect(
    DeadLetters,
    Effect.gen(function*() {
      const log = yield* EventLog
      const readModel = yield* ReadModel

      const redrive = Effect.fn("DeadLetters.redrive")(
        function*(caller: By, sequence: DeadLetter.Sequence) {
          const { actor: redrivenBy, requestId, traceparent } = caller
          yield* Effect.annotateCurrentSpan({ "dead_letter.sequence": sequence })
          const subject = DeadLetter.subject(sequence)
          const known = yield* load(log, subject)
          if (!sees(caller, known.state?.account)) return yield* new DeadLetter.NotDead({ sequence })
          const command = DeadLetter.redrive({
            sequence,
            redrivenBy,
            ...(requestId === undefined ? {} : { requestId })
          })
          const { state } = yield* execute(log, subject, known, command, { source: "/akave/gateway", traceparent })
          return yield* Effect.orDie(Effect.fromNullishOr(state))
        }
      )

      const redriveAll = Effect.fn("DeadLetters.redriveAll")(function*(caller: By, filter: DeadLetterFilter) {
        yield* readModel.caughtUp
        const found = yield* readModel.deadLetters(caller, {
          ...filter,
          status: "dead",
          redrivenBy: caller.requestId,
          limit: batch + 1
        })
        const tried = yield* Effect.forEach(
          found.slice(0, batch),
          ({ sequence }) =>
            redrive(caller, sequence).pipe(
              Effect.asSome,
              // Another request was first.
              Effect.catchTag(["AlreadyRedriven", "NotDead"], () => Effect.succeedNone)
            ),
          { concurrency }
        )
        const sequences = tried.filter(Option.isSome).map(({ value }) => value.sequence)
        return { redriven: sequences.length, sequences, more: found.length > batch }
      })

      return DeadLetters.of({ redrive, redriveAll })
    })
  )
}
