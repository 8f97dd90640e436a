/** A proxy before a NATS server that understands what the server sends, and delivers some of it twice or not at all. */
import type * as Ports from "@akave-async/local/Ports"
import { Effect, type Scope } from "effect"
import * as Proxy from "./Proxy.ts"

/** What happens to the server's messages. */
export type Misdelivery =
  | { readonly _tag: "None" }
  /** What a consumer is handed comes twice. */
  | { readonly _tag: "Twice" }
  /** This share of the answers to appends never comes: the append is stored, and its writer is not told. */
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

const lineEnd = "\r\n"

/** Passes a server's bytes on, each whole message as what `treat` makes of it. Lines of other kinds pass as they are. */
export const rewriteMessages = (treat: (message: Message) => ReadonlyArray<Buffer>): Proxy.Rewrite => {
  let rest: Buffer = Buffer.alloc(0)
  return (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
    const out: Array<Buffer> = []
    while (true) {
      const end = rest.indexOf(lineEnd)
      if (end < 0) return Buffer.concat(out)
      const afterLine = end + lineEnd.length
      const line = rest.toString("latin1", 0, end)
      // MSG <subject> <sid> [reply] <bytes>, HMSG <subject> <sid> [reply] <bytes of headers> <bytes in all>
      const [kind = "", subject = "", , ...others] = line.split(/[ \t]+/)
      const sizes = { MSG: 1, HMSG: 2 }[kind.toUpperCase()]
      if (sizes === undefined) {
        out.push(rest.subarray(0, afterLine))
        rest = rest.subarray(afterLine)
        continue
      }
      const total = Number(others.at(-1))
      const whole = afterLine + total + lineEnd.length
      if (rest.length < whole) return Buffer.concat(out)
      const headers = sizes === 2 ? Number(others.at(-2)) : 0
      out.push(...treat({
        subject,
        reply: others.length > sizes ? others[0] : undefined,
        payload: rest.subarray(afterLine + headers, afterLine + total),
        bytes: rest.subarray(0, whole)
      }))
      rest = rest.subarray(whole)
    }
  }
}
