/** Finds or fetches a nats-server that can be relied on, and runs it with JetStream on a folder of its own. */
import { compare, defect, parseVersion, settableSync, type Version } from "@akave-async/platform/NatsVersion"
import { Config, Effect, Schema, type Scope } from "effect"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import { connect } from "node:net"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { host } from "./Ports.ts"
import * as Processes from "./Processes.ts"
import type { Reaper } from "./Reaper.ts"

export class NatsServerUnavailable extends Schema.TaggedError<NatsServerUnavailable>()("NatsServerUnavailable", {
  reason: Schema.String
}) {
  override readonly message = this.reason
}

export interface Binary {
  readonly path: string
  readonly version: Version
}

/** The reason to refuse a version, in one sentence, or undefined where it is good. */
export const refusal = (version: Version): string | undefined => {
  const reason = defect(version)
  return reason && `${reason}: install 2.10.23 or newer, or point NATS_SERVER_BIN at one.`
}

export interface FindOptions {
  /** The value of NATS_SERVER_BIN, if it is set. */
  readonly explicit?: string | undefined
  /** The value of PATH. */
  readonly path: string
  /** Looked through after PATH. */
  readonly systemFolders?: ReadonlyArray<string>
  /** Where a fetched copy lives. */
  readonly tools?: string
  /** False to use only what is there already. */
  readonly mayFetch?: boolean
}

/** The first nats-server found: NATS_SERVER_BIN, PATH, a copy fetched earlier, and if there is none, one fetched now. */
export const find = Effect.fnUntraced(function*(options: FindOptions): Effect.fn.Return<Binary, NatsServerUnavailable> {
  if (options.explicit) return yield* inspect(options.explicit, "NATS_SERVER_BIN names it, but it")
  const tools = options.tools ?? join(repository, ".tools")
  const copy = join(tools, "nats-server", "nats-server")
  const folders = [
    ...options.path.split(delimiter).filter((folder) => folder !== ""),
    ...(options.systemFolders ?? systemFolders)
  ]
  const found = [...folders.map((folder) => join(folder, "nats-server")), copy].find(isExecutable)
  if (found !== undefined) return yield* inspect(found, "It")
  if (options.mayFetch !== false) {
    for (const fetch of [fetchByApt, fetchByBrew, fetchByGo]) {
      const fetched = yield* Effect.promise(() => fetch(copy).catch(() => undefined))
      if (fetched !== undefined && isExecutable(fetched)) return yield* inspect(fetched, "It")
    }
  }
  return yield* new NatsServerUnavailable({
    reason: "nats-server was not found and could not be installed by apt, brew or go: install version 2.10.23 or newer"
      + " (https://github.com/nats-io/nats-server/releases), or set NATS_SERVER_BIN to its file, or NATS_URL to a running server."
  })
})

/** {@link find} as the environment says: NATS_SERVER_BIN and PATH. */
export const findConfigured = Effect.gen(function*() {
  const explicit = yield* Config.String("NATS_SERVER_BIN").pipe(Config.withDefault(""))
  const path = yield* Config.String("PATH").pipe(Config.withDefault(""))
  return yield* find({ explicit: explicit === "" ? undefined : explicit, path })
})

/** The latest release when this was written; Go checks what it fetches against its public checksum database. */
const goModule = "github.com/nats-io/nats-server/v2@v2.15.2"

const repository = fileURLToPath(new URL("../../..", import.meta.url))
/** Where packages put servers, and ordinary users' PATHs do not look. */
const systemFolders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/opt/homebrew/bin"]

const inspect = Effect.fnUntraced(function*(path: string, subject: string) {
  const output = yield* Effect.tryPromise({
    try: () => run(path, ["--version"], { timeoutMillis: 10_000 }),
    catch: (cause) =>
      new NatsServerUnavailable({
        reason: `nats-server can't be used: ${subject} doesn't run (${path}: ${
          cause instanceof Error ? firstLine(cause.message) : cause
        }).`
      })
  })
  const version = parseVersion(output)
  if (!version) {
    return yield* new NatsServerUnavailable({ reason: `${path} doesn't say which nats-server version it is.` })
  }
  const refused = refusal(version)
  if (refused) return yield* new NatsServerUnavailable({ reason: `${refused} (Found: ${path})` })
  return { path, version }
})

/**
 * Takes the distribution's own package, which apt verifies, and unpacks only the program: nothing is installed on the
 * system, no service is started by the package, and no rights are needed. Where the system's package lists are missing
 * or stale, it works with lists of its own.
 */
const fetchByApt = async (copy: string): Promise<string | undefined> => {
  if (!isOnPath("apt-get") || !isOnPath("dpkg-deb")) return undefined
  return intoPlace(copy, async (folder) => {
    const own = ["state/lists/partial", "cache/archives/partial"].map((name) => join(folder, name))
    for (const name of own) fs.mkdirSync(name, { recursive: true })
    const ownLists = [
      `Dir::State=${join(folder, "state")}`,
      "Dir::State::status=/var/lib/dpkg/status",
      `Dir::Cache=${join(folder, "cache")}`,
      "APT::Sandbox::User="
    ].flatMap((option) => ["-o", option])
    const download = (...options: ReadonlyArray<string>) =>
      run("apt-get", ["-q", ...options, "download", "nats-server"], { cwd: folder, timeoutMillis: 120_000 })
    try {
      await download()
    } catch {
      await run("apt-get", ["-q", ...ownLists, "update"], { timeoutMillis: 300_000 })
      await download(...ownLists)
    }
    const archive = fs.readdirSync(folder).find((name) => name.endsWith(".deb"))
    if (archive === undefined) return undefined
    await run("dpkg-deb", ["-x", join(folder, archive), join(folder, "package")], { timeoutMillis: 60_000 })
    return ["usr/sbin", "usr/bin"].map((place) => join(folder, "package", place, "nats-server")).find(isExecutable)
  })
}

const fetchByBrew = async (): Promise<string | undefined> => {
  if (!isOnPath("brew")) return undefined
  await run("brew", ["install", "--quiet", "nats-server"], { timeoutMillis: 600_000 })
  return join((await run("brew", ["--prefix"], { timeoutMillis: 10_000 })).trim(), "bin", "nats-server")
}

const fetchByGo = async (copy: string): Promise<string | undefined> => {
  if (!isOnPath("go")) return undefined
  return intoPlace(copy, async (folder) => {
    await run("go", ["install", goModule], { env: { GOBIN: folder }, timeoutMillis: 600_000 })
    return join(folder, "nats-server")
  })
}

/** Works in a folder of its own beside the copy and moves the result there in one step: others may do the same. */
const intoPlace = async (
  copy: string,
  work: (folder: string) => Promise<string | undefined>
): Promise<string | undefined> => {
  fs.mkdirSync(dirname(copy), { recursive: true })
  const folder = fs.mkdtempSync(join(dirname(copy), "fetch-"))
  try {
    const made = await work(folder)
    if (made === undefined) return undefined
    fs.renameSync(made, copy)
    return copy
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

const isExecutable = (path: string): boolean => {
  try {
    fs.accessSync(path, fs.constants.X_OK)
    return fs.statSync(path).isFile()
  } catch {
    return false
  }
}

const isOnPath = (program: string): boolean =>
  (Processes.inherited()["PATH"] ?? "").split(delimiter).some((folder) => isExecutable(join(folder, program)))

const firstLine = (text: string): string => text.split("\n")[0] ?? text

const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd?: string; readonly env?: Record<string, string>; readonly timeoutMillis: number }
): Promise<string> =>
  new Promise((resolve, reject) => {
    const { cwd, env, timeoutMillis: timeout } = options
    const settings = { ...(cwd === undefined ? {} : { cwd }), env: { ...Processes.inherited(), ...env }, timeout }
    execFile(command, args, settings, (error, stdout) => error ? reject(error) : resolve(stdout))
  })

export interface Options {
  readonly binary: Binary
  readonly port: number
  /** Holds the configuration file and JetStream's files. */
  readonly folder: string
  readonly logFile: string
  readonly pidFile: string
  /** How often JetStream's files reach the disk: `always`, or a duration such as `10s`. From server 2.10 on. */
  readonly syncInterval?: string | undefined
  /** The most that JetStream stores in files, such as `64MB`. */
  readonly maxFileStore?: string | undefined
}

/** Servers before 2.10 can't be configured and keep to this; newer ones have it as their default. */
const standardSyncInterval = "2m"

/** How often the server brings what it stored to the disk: a crash of the machine, not of the server, may lose that much. */
export const syncIntervalOf = (binary: Binary, wanted: string | undefined): string =>
  wanted !== undefined && compare(binary.version, settableSync) >= 0 ? wanted : standardSyncInterval

export const make = (options: Options): Effect.Effect<Processes.Process, never, Reaper | Scope.Scope> => {
  const configFile = join(options.folder, "nats-server.conf")
  const fail = (reason: string) => new Processes.ProcessFailed({ name: "nats", reason, logFile: options.logFile })
  return Processes.make({
    name: "nats",
    command: options.binary.path,
    args: ["--config", configFile],
    env: {},
    logFile: options.logFile,
    pidFile: options.pidFile,
    prepare: Effect.try({
      try: () => {
        fs.mkdirSync(options.folder, { recursive: true })
        fs.writeFileSync(configFile, configuration(options))
      },
      catch: (cause) => fail(`can't write to its folder: ${cause instanceof Error ? cause.message : cause}`)
    }),
    isReady: (line) => line.includes("Server is ready") ? {} : undefined,
    verify: Effect.map(greeting(options.port), ({ version }) => ({
      version,
      syncInterval: syncIntervalOf(options.binary, options.syncInterval)
    })).pipe(
      Effect.mapError((reason) => fail(reason))
    ),
    explain: (lines) => {
      const line = lines.findLast((line) => line.includes("[FTL]")) ?? lines.findLast((line) => line.includes("[ERR]"))
      return line?.replace(/^.*\[(FTL|ERR)\] /, "").concat(` (its folder is ${options.folder})`)
    }
  })
}

const configuration = (options: Options): string =>
  `# Written at each start.
host: ${host}
port: ${options.port}
max_payload: 1MB
jetstream {
  store_dir: ${JSON.stringify(options.folder)}
${options.maxFileStore === undefined ? "" : `  max_file_store: ${options.maxFileStore}\n`}${
    options.syncInterval !== undefined && compare(options.binary.version, settableSync) >= 0
      ? `  sync_interval: "${options.syncInterval}"\n`
      : ""
  }}
`

/** The server speaks first: one line with what it is and whether JetStream is on. */
const greeting = (port: number): Effect.Effect<typeof Greeting.Type, string> =>
  Effect.acquireUseRelease(
    Effect.sync(() => connect({ port, host }).setEncoding("utf8")),
    (socket) =>
      Effect.callback<string, string>((resume) => {
        let text = ""
        socket.on("data", (chunk) => {
          text += chunk
          if (text.includes("\r\n")) resume(Effect.succeed(text.slice("INFO ".length, text.indexOf("\r\n"))))
        })
        socket.on("error", (cause) => resume(Effect.fail(`doesn't take connections: ${cause.message}`)))
      }),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(
    Effect.timeoutOrElse({ duration: "5 seconds", orElse: () => Effect.fail("doesn't answer") }),
    Effect.flatMap((text) =>
      Effect.mapError(Schema.decodeEffect(Schema.fromJsonString(Greeting))(text), () => "runs without JetStream")
    )
  )

const Greeting = Schema.Struct({ version: Schema.String, jetstream: Schema.Literal(true) })
