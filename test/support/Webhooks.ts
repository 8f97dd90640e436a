/** Webhooks of a stack's gateway, and those who receive them. */
import type * as Receiver from "@akave-async/notifier/test/Receiver"
import { Effect, Schedule } from "effect"
import { Webhook } from "standardwebhooks"
import type { Send } from "./Accounts.ts"
import { request } from "./Gateway.ts"
import * as Leaks from "./Leaks.ts"

/** Sends requests to a gateway without accounts. */
export const anonymous = (gateway: string): Send => (path, sent) => request(`${gateway}${path}`, sent)

export const post = (value: unknown = {}, method = "POST") => ({ method, body: JSON.stringify(value) })

/** Registers a webhook; its secret is looked for in all that the stack writes. */
export const register = Effect.fnUntraced(function*(send: Send, url: string, settings: object = {}) {
  const { body, status } = yield* send("/webhooks", post({ url, ...settings }))
  if (status !== 201) throw new Error(`the webhook was not registered: ${JSON.stringify(body)}`)
  return {
    id: String(body.webhook_id),
    secret: Leaks.register(String(body.secret)),
    path: `/webhooks/${body.webhook_id}`
  }
})

/** What a message holds, if its signature is one by the secret. */
export const verified = (secret: string, { body, headers }: Receiver.Received): unknown => {
  try {
    return new Webhook(secret).verify(body, headers as Record<string, string>)
  } catch {
    return undefined
  }
}

export const sequencesOf = ({ received }: Receiver.Receiver): ReadonlyArray<number> =>
  received.map(({ body }) => Number(JSON.parse(body).sequence))

/** Waits until it has received as many, for a minute and a half at most. */
export const untilReceived = (receiver: Receiver.Receiver, count: number) =>
  Effect.sync(() => receiver.received.length).pipe(
    Effect.repeat({ until: (length) => length >= count, schedule: Schedule.spaced("20 millis") }),
    Effect.timeoutOrElse({
      duration: "90 seconds",
      orElse: () => Effect.die(new Error(`of ${count} deliveries came ${sequencesOf(receiver).join(", ") || "none"}`))
    })
  )
