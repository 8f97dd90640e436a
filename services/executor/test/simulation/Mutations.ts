/** Executors with one rule broken, each in a way that a hurried change could break it. */
import type { EventLogShape } from "@akave-async/eventing/EventLog"
import { Effect, Option } from "effect"
import type { Mutation } from "./Simulation.ts"

let count = 0
const always = (log: EventLogShape): EventLogShape["append"] => (subject, expected, event) =>
  "revision" in expected
    ? Effect.flatMap(log.read(subject), ({ revision }) => log.append(subject, { revision }, event))
    : Effect.gen(function*() {
      const lastSequence = yield* log.lastSequence
      const last = yield* log.get(lastSequence)
      const lastId = Option.match(last, { onNone: () => "", onSome: ({ headers }) => headers["nats-msg-id"] ?? "" })
      return yield* log.append(subject, { lastSequence, lastId }, event)
    })

export const mutations: Readonly<Record<string, Mutation>> = {
  "a ledger that does not look for the claim that a job has": {
    ledgerLog: (log) => ({
      ...log,
      last: () => Effect.succeedNone,
      append: (subject, expected, event) => log.append(subject, expected, { ...event, id: `${event.id}.${count++}` })
    })
  },
  "a ledger that sends a transaction before it is stored": {
    ledgerLog: (log, chain) => ({
      ...log,
      append: (subject, expected, event) => {
        const { transaction } = JSON.parse(new TextDecoder().decode(event.data))
        const sending = typeof transaction === "string" ? Effect.ignore(chain.send(transaction)) : Effect.void
        return Effect.andThen(sending, log.append(subject, expected, event))
      }
    })
  },
  "a ledger that does not state what it decided on": { ledgerLog: (log) => ({ ...log, append: always(log) }) },
  "steps that do not state what they decided on": { log: (log) => ({ ...log, append: always(log) }) },
  "receipts that take what a node does not know for what is not there": {
    chain: (chain) => ({
      ...chain,
      minedAt: (of) =>
        Effect.map(chain.minedAt(of), Option.orElse(() => Option.some({ hash: `0x${"ee".repeat(32)}`, blockNumber: 0 })))
    })
  },
  "receipts that wait for no confirmations": { settings: { CONFIRMATIONS: "1" } },
  "a chain whose refusals are taken for an answer": {
    chain: (chain) => ({ ...chain, send: (raw) => Effect.catchTag(chain.send(raw), "RpcError", () => Effect.succeed("accepted" as const)) })
  }
}
