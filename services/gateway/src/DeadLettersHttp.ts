/** The routes of dead letters. */
import { Api } from "@akave-async/api/Api"
import { Caller } from "@akave-async/api/Caller"
import * as Problems from "@akave-async/api/Problems"
import { deadLetterResource } from "@akave-async/api/Resources"
import { Effect, Option } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { DeadLetters } from "./DeadLetters.ts"
import { ReadModel } from "./ReadModel.ts"
import { logUnavailable, lookupFailures } from "./Unavailable.ts"

const notFound = ({ sequence }: { readonly sequence: number }) =>
  new Problems.DeadLetterNotFound({
    detail: `Event ${sequence} has not died. GET /dead-letters lists the events that have`
  })

export const DeadLettersHttp = HttpApiBuilder.group(
  Api,
  "deadLetters",
  Effect.fnUntraced(function*(handlers) {
    const deadLetters = yield* DeadLetters
    const readModel = yield* ReadModel

    return handlers.handleAll({
      list: Effect.fnUntraced(function*({ query }) {
        const page = yield* readModel.deadLetters(yield* Caller, query)
        return {
          dead_letters: page.map(deadLetterResource),
          next: page.length < query.limit ? null : page.at(-1)?.sequence ?? null
        }
      }, Effect.catchTags({ SqlError: lookupFailures.SqlError })),
      get: Effect.fnUntraced(function*({ params }) {
        const letter = yield* readModel.deadLetter(yield* Caller, params.sequence)
        return Option.isSome(letter) ? deadLetterResource(letter.value) : yield* notFound(params)
      }, Effect.catchTags(lookupFailures)),
      redrive: Effect.fnUntraced(
        function*({ params }) {
          return deadLetterResource(yield* deadLetters.redrive(yield* Caller, params.sequence))
        },
        Effect.catchTags({
          NotDead: notFound,
          AlreadyRedriven: ({ message }) => new Problems.DeadLetterRedriven({ detail: message }),
          LogUnavailable: logUnavailable
        })
      ),
      redriveAll: Effect.fnUntraced(
        function*({ payload: { all: _all, ...filter } }) {
          return yield* deadLetters.redriveAll(yield* Caller, filter)
        },
        Effect.catchTags({ ...lookupFailures, LogUnavailable: logUnavailable })
      )
    })
  })
)
