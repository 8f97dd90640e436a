/**
 * The log of a process on its standard output: JSON lines or, where `LOG_FORMAT` is `pretty` or a person looks, text that is read on a
 * terminal; from `LOG_LEVEL` on. No line has a secret that the process knows.
 */
import { Config, Effect, Formatter, Layer, Logger, type LogLevel, References } from "effect"
import * as Secrets from "./Secrets.ts"
import * as Trace from "./Trace.ts"

/** The line names the span that it is of. */
const json = Logger.make<unknown, string>((options) => {
  const line = Logger.formatStructured.log(options)
  const span = Trace.spanIn(options.fiber.context)
  if (span === undefined) return Formatter.formatJson(line)
  const { spanId, traceId } = span
  return Formatter.formatJson({ ...line, annotations: { ...line.annotations, traceId, spanId } })
})

/** `18:45:01.123 INFO  message name=value …`, and the cause below. */
const pretty = Logger.make<unknown, string>((options) => {
  const { annotations, cause, level, message, timestamp } = Logger.formatStructured.log(options)
  const text = typeof message === "string" ? message : JSON.stringify(message)
  const details = Object.entries(annotations).map(([name, value]) =>
    ` ${name}=${typeof value === "string" ? value : JSON.stringify(value)}`
  )
  const time = timestamp.slice("2026-01-01T".length, -1)
  return `${time} ${level.padEnd(5)} ${text}${details.join("")}${cause === undefined ? "" : `\n${cause}`}`
})

const layerOf = (formatted: Logger.Logger<unknown, string>, level: LogLevel.LogLevel) =>
  Layer.merge(
    Logger.layer([Logger.withConsoleLog(Logger.map(formatted, Secrets.conceal))]),
    Layer.succeed(References.MinimumLogLevel, level)
  )

/** JSON lines, for what is logged before the settings are read. */
export const layer = layerOf(json, "Info")

export const layerConfig = Layer.unwrap(Effect.gen(function*() {
  const format = yield* Config.Literals(["json", "pretty"], "LOG_FORMAT").pipe(
    Config.withDefault(process.stdout.isTTY ? "pretty" as const : "json" as const)
  )
  const level = yield* Config.LogLevel("LOG_LEVEL").pipe(Config.withDefault("Info" as const))
  return layerOf(format === "json" ? json : pretty, level)
}))

/** Warnings as text on standard error, for programs whose standard output is their result. */
export const layerStandardError = Layer.merge(
  Logger.layer([Logger.withConsoleError(Logger.map(pretty, Secrets.conceal))]),
  Layer.succeed(References.MinimumLogLevel, "Warn")
)
