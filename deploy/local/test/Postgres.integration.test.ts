import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Client } from "pg"
import * as Ports from "../src/Ports.ts"
import * as Postgres from "../src/Postgres.ts"
import * as ProcessTable from "../src/ProcessTable.ts"
import { Reaper } from "../src/Reaper.ts"

const temporary = Effect.map(Reaper, (reaper) => reaper.temporaryFolder())

const server = Effect.fnUntraced(function*(folder: string) {
  const port = yield* Ports.free
  const postgres = yield* Postgres.make({
    port,
    folder: join(folder, "postgres"),
    logFile: join(folder, "postgres.log"),
    pidFile: join(folder, "postgres.pid"),
    isDurable: false
  })
  return { postgres, url: Postgres.url(port) }
})

const query = (url: string, sql: string) =>
  Effect.promise(async () => {
    const client = new Client(url)
    client.on("error", () => {})
    await client.connect()
    try {
      return (await client.query(sql)).rows
    } finally {
      await client.end()
    }
  })

layer(Reaper.layer, { excludeTestServices: true })("Postgres", (it) => {
  for (const [mode, place] of [[0o700, "a closed folder"], [0o755, "an open folder"]] as const) {
    it.effect(`keeps what was committed through kill -9, in ${place}`, () =>
      Effect.gen(function*() {
        const folder = yield* temporary
        chmodSync(folder, mode)
        const { postgres, url } = yield* server(folder)
        yield* postgres.start
        yield* query(url, "create table kept as select 'ä' as letter")
        yield* postgres.kill("SIGKILL")
        yield* postgres.start
        assert.deepStrictEqual(yield* query(url, "select letter from kept"), [{ letter: "ä" }])
        yield* postgres.restart
        assert.lengthOf(yield* query(url, "select 1 from kept"), 1)
      }))
  }

  it.effect("is used by a second supervisor after the first one stopped", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      yield* Effect.scoped(Effect.gen(function*() {
        const { postgres, url } = yield* server(folder)
        yield* postgres.start
        yield* query(url, "create table kept (n int)")
      }))
      const { postgres, url } = yield* server(folder)
      yield* postgres.start
      assert.deepStrictEqual(yield* query(url, "select * from kept"), [])
    }))

  it.effect("starts over the lock file of a crashed run whose number is now another program's", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const { postgres } = yield* server(folder)
      yield* postgres.start
      yield* postgres.stop
      writeFileSync(join(folder, "postgres", "postmaster.pid"), `${process.pid}\n${join(folder, "postgres")}\n`)
      yield* postgres.start
    }))

  it.effect("starts over a lock file with the number of another folder's Postgres", () =>
    Effect.gen(function*() {
      const other = yield* server(yield* temporary)
      const { pid } = yield* other.postgres.start
      const folder = yield* temporary
      const { postgres } = yield* server(folder)
      yield* postgres.start
      yield* postgres.stop
      writeFileSync(join(folder, "postgres", "postmaster.pid"), `${pid}\n${join(folder, "postgres")}\n`)
      yield* postgres.start
      assert.isDefined(ProcessTable.identity(pid))
    }))

  it.effect("says which Postgres to stop where one runs on the folder", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const { postgres } = yield* server(folder)
      const { pid } = yield* postgres.start
      // As one that a person started by hand: no supervisor knows of it.
      rmSync(join(folder, "postgres.pid"))
      const second = yield* server(folder)
      const error = yield* Effect.flip(second.postgres.start)
      assert.match(
        error.message,
        new RegExp(`another Postgres \\(PID ${pid}\\) runs on its data folder .*stop that one`)
      )
      assert.notInclude(error.message, "Move the folder away")
    }))

  // Root alone can become another user, who must be able to read this repository.
  const becoming = ["--reuid=12345", "--regid=12345", "--clear-groups"]
  const canBecome = process.getuid?.() === 0
    && spawnSync("setpriv", [...becoming, "test", "-r", join(import.meta.dirname, "fixtures/postgres.ts")]).status === 0

  it.effect("runs as a user whom the system has no name for, or says what to do", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      chownSync(folder, 12345, 12345)
      const program = join(import.meta.dirname, "fixtures/postgres.ts")
      const { status, stdout } = spawnSync("setpriv", [...becoming, process.execPath, program, folder], {
        encoding: "utf8",
        env: { PATH: process.env["PATH"], TMPDIR: folder }
      })
      assert.strictEqual(status, 0)
      assert.match(
        stdout,
        /^(up|postgres can't make its data folder: user 12345 has no name on this system\. Add one .*)$/m
      )
    }), { skip: !canBecome })

  it.effect("stops while clients are connected", () =>
    Effect.gen(function*() {
      const { postgres, url } = yield* server(yield* temporary)
      const { pid } = yield* postgres.start
      const client = new Client(url)
      client.on("error", () => {})
      yield* Effect.promise(() => client.connect())
      yield* postgres.stop
      assert.isUndefined(ProcessTable.identity(pid))
    }))

  it.effect("says in one sentence that a data folder is broken", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      mkdirSync(join(folder, "postgres"))
      writeFileSync(join(folder, "postgres", "stray"), "")
      const { postgres } = yield* server(folder)
      const error = yield* Effect.flip(postgres.start)
      assert.match(
        error.message,
        /^postgres can't use its data folder .*\/postgres: .*PG_VERSION.*\. Move the folder away/
      )
    }))

  it.effect("says in one sentence that a data folder lost a file", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const { postgres } = yield* server(folder)
      yield* postgres.start
      yield* postgres.stop
      rmSync(join(folder, "postgres", "global", "pg_control"))
      const error = yield* Effect.flip(postgres.start)
      assert.match(error.message, /can't use its data folder .*\/postgres: .*pg_control.*\. Move the folder away/)
    }))
})
