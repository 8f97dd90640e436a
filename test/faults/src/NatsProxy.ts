/** A proxy before a NATS server that understands what the server sends, and delivers some of it twice or not at all. */
import type * as Ports from "@akave-async/local/Ports"
import { Effect, type Scope } from "effect"
import { type Frame, frames } from "../../support/NatsProxy.ts"
import * as Proxy from "./Proxy.ts"

/** What happens to the server's messages. */
export type Misdelivery =
  | { readonly _tag: "None" }
  /** What a consumer is handed comes twice. */
  | { readonly _tag: "Twice" }
  /** This share of the answers to appends never comes: the append is stored, and its writer gets no answer. */
  | { readonly _tag: "LoseAppendAnswers"; readonly share: number }

export const none: Misdelivery = { _tag: "None" }
export const twice: Misdelivery = { _tag: "Twice" }
export const loseAppendAnswers = (share: number): Misdelivery => ({ _tag: "LoseAppendAnswers", share })

export interface NatsProxy extends Proxy.Proxy {
  misdeliver(how: Misdelivery): Effect.Effect<void>
  /** How many messages were delivered twice or not at all so far. */
  readonly misdelivered: () => number
}

export const make = Effect.fnUntraced(
  function*(
    options: { readonly to: number; readonly random: () => number }
  ): Effect.fn.Return<NatsProxy, Ports.NoFreePort, Scope.Scope> {
    let how: Misdelivery = none
    let misdelivered = 0
    const treat = (message: Message): ReadonlyArray<Buffer> => {
      if (how._tag === "Twice" && message.reply?.startsWith("$JS.ACK.")) {
        misdelivered++
        return [message.bytes, message.bytes]
      }
      if (how._tag === "LoseAppendAnswers" && isAppendAnswer(message) && options.random() < how.share) {
        misdelivered++
        return []
      }
      return [message.bytes]
    }
    const proxy = yield* Proxy.make({ ...options, rewrite: () => rewriteMessages(treat) })
    return {
      ...proxy,
      misdeliver: (next) => Effect.sync(() => void (how = next)),
      misdelivered: () => misdelivered
    }
  }
)

export interface Message {
  readonly subject: string
  readonly reply: string | undefined
  readonly payload: Buffer
  /** All of it, as it came. */
  readonly bytes: Buffer
}

/** What the server says when it has stored a message: {"stream":"...","seq":1}. */
const isAppendAnswer = ({ payload, reply }: Message): boolean =>
  reply === undefined && /^\{"stream":"[^"]+",\s*"seq":\d+/.test(payload.toString("latin1", 0, 200))

/** Passes a server's bytes on, each whole message as what `treat` makes of it. Lines of other kinds pass as they are. */
export const rewriteMessages = (treat: (message: Message) => ReadonlyArray<Buffer>): Proxy.Rewrite => {
  const split = frames()
  return (bytes) =>
    Buffer.concat(
      split(bytes).flatMap((frame) => {
        const message = messageIn(frame)
        return message === undefined ? [frame.bytes] : treat(message)
      })
    )
}

/** MSG <subject> <sid> [reply] <bytes>, HMSG <subject> <sid> [reply] <bytes of headers> <bytes in all> */
const messageIn = ({ args, bytes, verb }: Frame): Message | undefined => {
  const sizes = { MSG: 1, HMSG: 2 }[verb]
  if (sizes === undefined) return undefined
  const end = bytes.length - "\r\n".length
  const headers = sizes === 2 ? Number(args.at(-2)) : 0
  return {
    subject: args[0] ?? "",
    reply: args.length > sizes + 2 ? args[2] : undefined,
    payload: bytes.subarray(end - Number(args.at(-1)) + headers, end),
    bytes
  }
}
