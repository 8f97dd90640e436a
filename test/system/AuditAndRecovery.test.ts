/**
 * The guide to audit and recovery, followed from top to bottom: each command as it stands there, and what it prints. With
 * `UPDATE_GUIDE=1` what is printed is written into the guide.
 */
import type * as Processes from "@akave-async/local/Processes"
import * as Stack from "@akave-async/local/Stack"
import { assert, it } from "@effect/vitest"
import { jetstreamManager } from "@nats-io/jetstream"
import { connect } from "@nats-io/transport-node"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { generateKeyPairSync } from "node:crypto"
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Client } from "pg"
import * as CommandLine from "../support/CommandLine.ts"
import { createBucket, deleteBucket, ended, request, settled } from "../support/Gateway.ts"
import * as Packages from "../support/Packages.ts"

const file = join(Stack.repository, "docs/operations/audit-and-recovery.md")
const guide = { text: readFileSync(file, "utf8") }
const isUpdate = process.env["UPDATE_GUIDE"] === "1"

const hasPython = spawnSync("python3", ["-c", "import cryptography"]).status === 0
if (!hasPython) {
  console.warn("Python, or its package cryptography, is not on this machine: the recipe in Python is not run")
}

/** What differs from run to run: keys, hashes, ids, times, numbers, and the widths of columns that follow from them. */
const masked = (text: string): string =>
  text.replace(/[A-Za-z0-9+/]{86}==|[A-Za-z0-9+/]{43}=/g, "KEY").replace(/0x[0-9a-f]+|[0-9a-f]{64}/g, "HEX")
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z|\d{8}t\d{6}z/g, "TIME").replace(/\d[\d,.]*/g, "N").replace(/[ -]+/g, " ").trim()

interface Shown {
  readonly command: string
  readonly output: ReadonlyArray<string>
}
const sectionOf = (heading: string) => {
  const found = guide.text.split(/^(?=##+ )/m).find((one) => new RegExp(`^##+ ${heading}\n`).test(one))
  if (found === undefined) throw new Error(`the guide has no section "${heading}"`)
  return found
}
const shownIn = (section: string): ReadonlyArray<Shown> =>
  Array.from(
    section.matchAll(/```console\n([^]*?)```/g),
    ([, block = ""]) =>
      block.split(/^\$ /m).filter((one) => one !== "").map((one) => {
        const [command = "", ...output] = one.trimEnd().split("\n")
        return { command, output }
      })
  ).flat()

/** Runs what a section shows, in a folder that all sections share. */
const follower = Effect.fnUntraced(function*(stack: Stack.Stack, keyFile: string) {
  const folder = yield* Stack.temporaryFolder
  const shim = join(folder, "akave-async")
  writeFileSync(shim, `#!/bin/sh\nexec ${CommandLine.program.map((one) => `'${one}'`).join(" ")} "$@"\n`)
  chmodSync(shim, 0o755)
  const [, python = ""] = /```python\n([^]*?)```/.exec(guide.text) ?? []
  writeFileSync(join(folder, "verify.py"), python)
  return Effect.fnUntraced(function*(heading: string) {
    const section = sectionOf(heading)
    let changed = section
    for (const { command, output } of shownIn(section)) {
      if (command.startsWith("python3") && !hasPython) continue
      const { code, stderr, stdout } = yield* Packages.ran("sh", ["-c", command], {
        cwd: folder,
        env: {
          ...CommandLine.settingsOf(stack),
          CHECKPOINT_KEY_FILE: keyFile,
          PATH: `${folder}:${process.env["PATH"]}`
        }
      })
      assert.strictEqual(code, 0, `${command}: ${stdout}${stderr}`)
      const printed = `${stdout}${stderr}`.trimEnd().split("\n").filter((line) => line !== "")
      if (isUpdate) {
        const before = [`$ ${command}`, ...output].join("\n")
        changed = changed.replace(`${before}\n`, () => `${[`$ ${command}`, ...printed].join("\n")}\n`)
      } else assert.deepStrictEqual(printed.map(masked), output.map(masked), command)
    }
    guide.text = guide.text.replace(section, () => changed)
  })
})

const sql = (url: string, text: string) =>
  Effect.promise(async () => {
    const client = new Client({ connectionString: url })
    await client.connect()
    try {
      await client.query(text)
    } finally {
      await client.end()
    }
  })

it.live("the guide to audit and recovery does what it says", () =>
  Effect.gen(function*() {
    const folder = yield* Stack.temporaryFolder
    const keyFile = join(folder, "checkpoint-key.pem")
    const { privateKey } = generateKeyPairSync("ed25519")
    writeFileSync(keyFile, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 })
    const stack = yield* Stack.started({ env: { projector: { CHECKPOINT_KEY_FILE: keyFile } } })
    const gateway = stack.gatewayUrl
    const follow = yield* follower(stack, keyFile)
    const services = ["gateway", "executor", "projector"].map((name) => stack.process(name))
    const each = (act: (service: Processes.Process) => Effect.Effect<unknown, unknown>) =>
      Effect.orDie(Effect.forEach(services, act, { concurrency: "unbounded", discard: true }))
    const done = Effect.fnUntraced(function*(ask: typeof createBucket, name: string) {
      const { body } = yield* ask(gateway, name)
      assert.strictEqual((yield* ended(gateway, body.job_id)).body.status, "completed")
      return String(body.job_id)
    })
    const loseNats = Effect.gen(function*() {
      yield* each(({ stop }) => stop)
      yield* stack.nats.kill("SIGKILL")
      rmSync(join(stack.dataDir, "nats"), { recursive: true })
      yield* stack.nats.start
    })
    const losePostgres = sql(stack.databaseUrl, "drop schema akave_async cascade")

    for (const name of ["photos", "music", "video"]) yield* done(createBucket, name)
    yield* settled(gateway)
    yield* follow("Is everything as it was written")
    yield* follow("Proof without servers")
    yield* follow("The same in Python")
    yield* follow("Read the log once more")
    yield* follow("Make the read model anew")
    yield* follow("The state as of a time")
    const deleted = yield* done(deleteBucket, "video")
    yield* settled(gateway)
    yield* follow("Backups")

    yield* losePostgres
    yield* follow("Postgres is lost")
    yield* done(createBucket, "after-postgres")

    yield* settled(gateway)
    yield* loseNats
    yield* follow("NATS is lost")
    yield* each(({ start }) => start)
    yield* done(createBucket, "after-nats")

    yield* loseNats
    yield* losePostgres
    yield* follow("Both are lost")
    yield* each(({ start }) => start)
    yield* done(createBucket, "after-both")

    yield* stack.executor(0).stop
    const connection = yield* Effect.promise(() => connect({ servers: stack.natsUrl }))
    const ledger = `AKAVE_WALLET_${stack.ownerAddress.toLowerCase()}`
    yield* Effect.promise(async () => (await jetstreamManager(connection)).streams.delete(ledger))
    yield* Effect.promise(() => connection.close())
    yield* follow("A ledger is lost")
    yield* stack.executor(0).start
    yield* done(createBucket, "after-ledger")

    // What is taken out is shown as it was before.
    yield* settled(gateway)
    const shown = Effect.forEach(
      ["/events?limit=1000", `/jobs/${deleted}/events`],
      (path) => Effect.map(request(`${gateway}${path}`), ({ body }) => body.events)
    )
    const before = yield* shown
    yield* follow("Keep the log small")
    const after = yield* shown
    assert.deepStrictEqual(after, before)
    if (isUpdate) writeFileSync(file, guide.text)
  }), 240_000)
