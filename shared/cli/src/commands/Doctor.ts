/** `akave-async services` and `akave-async doctor` */
import type { ClientError, CredentialsInvalid, EffectClient } from "@akave-async/client/effect"
import { Effect, Option, Stream } from "effect"
import { Command } from "effect/cli"
import { sentencesOf, SomeFailed } from "../Failures.ts"
import * as Gateway from "../Gateway.ts"
import { Output } from "../Output.ts"
import { paint, styleOf } from "../Style.ts"

export const services = Command.make(
  "services",
  {},
  () =>
    Gateway.use((client) =>
      Effect.flatMap(client.operations.services(), ({ services }) => {
        const rows = services.map(({ checks, ready, ...service }) => ({
          ...service,
          ready,
          state: ready === null ? "unknown" : ready ? "ready" : "not ready",
          checks
        }))
        return Output.use((output) =>
          output.rows(Stream.fromIterable(rows), ["name", "state", "version", "build", "started_at", "lanes", "id"])
        )
      })
    )
).pipe(Command.withDescription("List the services that answer, with their versions and lanes"))

interface Finding {
  readonly check: string
  readonly status: "ok" | "warning" | "failed"
  readonly message: string
  readonly advice: string | null
}

const failed = (check: string, error: unknown): Finding => {
  const [message = "", ...advice] = sentencesOf(error)
  return { check, status: "failed", message, advice: advice.length === 0 ? null : advice.join(" ") }
}

/** Seconds that clocks may be apart: beyond 300, no signature is taken. */
const [muchSkew, mostSkew] = [5, 300]

const clockOf = (date: string | null): Finding => {
  const seconds = date === null ? 0 : Math.round((Date.now() - Date.parse(date)) / 1000)
  const message = `this machine's clock is ${Math.abs(seconds)} s ${seconds < 0 ? "behind" : "ahead of"} the gateway's`
  return Math.abs(seconds) < muchSkew
    ? { check: "clock", status: "ok", message: "this machine and the gateway have the same time", advice: null }
    : {
      check: "clock",
      status: Math.abs(seconds) < mostSkew ? "warning" : "failed",
      message,
      advice: "set the clocks by NTP: signed requests are refused beyond 300 s"
    }
}

/** What can be seen from here: whether the gateway is reached, as whom, and whether the clocks agree. */
const here = Effect.fnUntraced(function*(client: EffectClient) {
  const response = yield* Effect.option(Effect.tryPromise((signal) => fetch(`${client.url}/health`, { signal })))
  if (Option.isNone(response)) return [failed("gateway", yield* Effect.flip(client.health.live()))]
  const gateway: Finding = {
    check: "gateway",
    status: "ok",
    message: `${client.url} answers`,
    advice: null
  }
  const clock = clockOf(response.value.headers.get("date"))
  const caller = yield* Effect.result(client.account.get())
  if (caller._tag === "Failure") return [gateway, clock, failed("credentials", caller.failure)]
  const credentials: Finding = {
    check: "credentials",
    status: "ok",
    message: `account ${caller.success.account}, credentials: ${client.credentialsSource}`,
    advice: null
  }
  const found = yield* Effect.result(client.operations.diagnosis())
  if (found._tag === "Success") return [gateway, clock, credentials, ...found.success.findings]
  const isForbidden = found.failure.code === "forbidden"
  const deployment: Finding = isForbidden
    ? {
      check: "deployment",
      status: "warning",
      message: "what else is wrong is for administrators to see",
      advice: "use a key with the scope admin"
    }
    : failed("deployment", found.failure)
  return [gateway, clock, credentials, deployment]
})

const mark = { ok: "✓", warning: "!", failed: "✗" }

export const doctor = Command.make("doctor", {}, () =>
  Effect.gen(function*() {
    const output = yield* Output
    const client: Effect.Effect<EffectClient, ClientError | CredentialsInvalid> = yield* Gateway.Gateway.use(
      ({ client }) => Effect.succeed(client)
    )
    const findings = yield* client.pipe(
      Effect.flatMap(here),
      Effect.catch((error) => Effect.succeed([failed("credentials", error)]))
    )
    const { hasColor } = output.look
    for (const finding of findings) {
      const { advice, check, message, status } = finding
      const text = `${paint(mark[status], styleOf(status), hasColor)} ${check}: ${message}`
      yield* output.line(advice === null ? text : `${text}\n  ${paint(advice, "bold", hasColor)}`, finding)
    }
    const bad = findings.filter(({ status }) => status === "failed").length
    if (bad > 0) return yield* new SomeFailed({ failed: bad, of: findings.length })
  })).pipe(
    Command.withDescription("Look what is wrong: gateway, credentials, clocks, services, wallets, chain, read model")
  )
