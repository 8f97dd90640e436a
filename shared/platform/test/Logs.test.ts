import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { join } from "node:path"

const run = (env: Readonly<Record<string, string>>) => {
  const { status, stdout } = spawnSync(process.execPath, [join(import.meta.dirname, "fixtures/logs.ts")], {
    encoding: "utf8",
    env
  })
  return { status, lines: stdout.trimEnd().split("\n"), stdout }
}
const messagesAt = (level: string) => run({ LOG_LEVEL: level }).lines.map((line) => JSON.parse(line).message)

describe("the log of a service", () => {
  it("is JSON lines, with the service and what the line is about", () => {
    const { lines, status, stdout } = run({})
    assert.strictEqual(status, 0)
    const [fact, warning, ready, ...more] = lines.map((line) => JSON.parse(line))
    assert.deepStrictEqual(more, [])
    assert.deepInclude(fact, { level: "INFO", message: "a fact with [secret]", annotations: { service: "logs" } })
    assert.deepInclude(warning, {
      level: "WARN",
      message: ["a warning", "in two parts"],
      annotations: { service: "logs", jobId: "job-1", nonce: 7 }
    })
    assert.strictEqual(ready.message, "ready")
    assert.notInclude(stdout, "nobody-sees")
  })

  it("begins at the level that is set, and always reports that the service is ready", () => {
    assert.deepStrictEqual(messagesAt("Error"), ["ready"])
    assert.deepStrictEqual(messagesAt("Debug").slice(0, 1), ["a detail"])
  })

  it("is text for people where that is set", () => {
    const { lines, stdout } = run({ LOG_FORMAT: "pretty" })
    assert.match(lines[0] ?? "", /^\d\d:\d\d:\d\d\.\d{3} INFO {2}a fact with \[secret\] service=logs$/)
    assert.match(lines[1] ?? "", /WARN {2}\["a warning","in two parts"\] .*jobId=job-1 nonce=7/)
    assert.notInclude(stdout, "nobody-sees")
  })

  it("names the span that a line is of, where spans are reported", () => {
    const [first = ""] = run({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" }).lines
    const { annotations } = JSON.parse(first)
    assert.match(annotations.traceId, /^[0-9a-f]{32}$/)
    assert.match(annotations.spanId, /^[0-9a-f]{16}$/)
  })

  it.each([{ LOG_LEVEL: "Loud" }, { LOG_FORMAT: "xml" }])("refuses %j in one sentence", (env) => {
    const { lines, status } = run(env)
    assert.strictEqual(status, 1)
    assert.lengthOf(lines, 1)
    assert.match(JSON.parse(lines[0] ?? "").message, new RegExp(`^${Object.keys(env)[0]} is missing or wrong: `))
  })
})
