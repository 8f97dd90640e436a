import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as SecretSetting from "../src/SecretSetting.ts"

const withEnv = (env: Readonly<Record<string, string>>) =>
  Effect.provide([NodeServices.layer, ConfigProvider.layer(ConfigProvider.fromUnknown(env))])
const value = (secret: Option.Option<Redacted.Redacted>) => Option.getOrUndefined(Option.map(secret, Redacted.value))

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "akave-async-secret-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)
const write = (file: string, text: string, mode = 0o600) => writeFileSync(file, text, { mode })

describe("a secret", () => {
  it.effect.each<readonly [Readonly<Record<string, string>>, string | RegExp | undefined]>([
    [{}, undefined],
    [{ NAME: "" }, undefined],
    [{ NAME: "", NAME_FILE: "" }, undefined],
    [{ NAME: "a secret" }, "a secret"],
    [{ NAME: "short" }, /NAME has fewer than 6 characters/],
    [{ NAME: "a secret", NAME_FILE: "/file" }, /Set NAME or NAME_FILE, not both/],
    [{ NAME_FILE: "/no/such/file" }, /\/no\/such\/file can't be read/]
  ])("of %j is %s", ([env, expected]) =>
    Effect.gen(function*() {
      const found = yield* Effect.result(withEnv(env)(SecretSetting.read("NAME", 6)))
      if (expected instanceof RegExp) assert.match(found._tag === "Failure" ? found.failure.message : "", expected)
      else assert.strictEqual(found._tag === "Success" ? value(found.success) : "failed", expected)
    }))

  it.effect("in a file that others can read, or that is too short, is refused", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "secret")
      const read = Effect.flip(withEnv({ NAME_FILE: file })(SecretSetting.read("NAME", 6)))
      write(file, "short")
      assert.match((yield* read).message, /secret has fewer than 6 characters/)
      rmSync(file)
      write(file, "a secret", 0o644)
      assert.match((yield* read).message, /chmod 600/)
    }))

  it.effect("in a file that changes is the new one, once that can be used", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "secret")
      write(file, "the first\n")
      const current = yield* withEnv({ NAME_FILE: file })(SecretSetting.watched("NAME", 6))
      assert.strictEqual(value(current()), "the first")
      const until = (text: string) =>
        Effect.repeat(Effect.andThen(TestClock.adjust("2 seconds"), Effect.promise(() => new Promise(setImmediate))), {
          until: () => value(current()) === text
        })
      write(file, "the second")
      yield* until("the second")
      write(file, "third")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(value(current()), "the second")
      write(file, "the fourth")
      yield* until("the fourth")
    }))
})
