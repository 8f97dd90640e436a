/**
 * What stands before every command of the root package.json: it makes sure of a Node that runs TypeScript as it is and
 * of the installed packages, then runs the task. Plain JavaScript without dependencies, for Node 18 and newer.
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import { delimiter, dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import * as Environment from "./src/Environment.mjs"
import * as Lock from "./src/Lock.mjs"

const root = fileURLToPath(new URL("../..", import.meta.url))
const tools = join(root, ".tools")
const pinnedNode = "24.21.0"
const oldestNode = [22, 19]

const script = (path, ...args) => ["node", ["--disable-warning=ExperimentalWarning", join(root, path), ...args]]
const tasks = {
  start: script("deploy/local/src/start.ts"),
  test: script("deploy/local/src/test.ts", "test"),
  verify: script("deploy/local/src/test.ts", "verify"),
  "test:integration": script("deploy/local/src/test.ts", "test:integration"),
  "test:faults": script("test/faults/src/run.ts"),
  "test:packages": script("test/packages/run.ts"),
  "test:backlog": script("test/bench/backlog.ts"),
  "test:rebuild": script("test/rebuild/run.ts"),
  "test:files": script("test/files/run.ts"),
  "test:uploads": script("test/files/uploads.ts"),
  "test:recovery": script("test/recovery/run.ts"),
  "test:simulation": [
    join(root, "node_modules/.bin/vitest"),
    ["run", "--project", "unit", "services/executor/test/simulation"]
  ],
  bench: script("test/bench/run.ts"),
  loadtest: script("loadtest/src/run.ts"),
  package: script("deploy/packages/build.ts"),
  format: [join(root, "node_modules/.bin/dprint"), ["fmt"]]
}

/** What people run for themselves, as their settings say; all else tests. */
const takesSettings = new Set(["start", "loadtest", "format"])
const usesVitest = new Set(["test", "verify", "test:integration", "test:simulation"])
const settings = () => Environment.settingsIn(fs.readFileSync(join(root, ".env.example"), "utf8"))

/** Printed as its one sentence. */
class Refusal extends Error {}
/** A signal came between two steps. */
class Stopped extends Error {}

/** The task that runs now; signals are passed on to it. */
let running
/** The lock that this process holds now. */
let held
let stopSignal

const main = async () => {
  const [task, ...args] = process.argv.slice(2)
  if (!Object.hasOwn(tasks, task)) throw new Refusal(`Choose one of: ${Object.keys(tasks).join(", ")}.`)
  if (usesVitest.has(task) && /[#?%]/.test(root)) {
    throw new Refusal(
      `Vitest finds no files where the path holds #, ? or %: move ${resolve(root)} elsewhere to test it.`
    )
  }
  const node = await exclusively("node", "looking for Node", ensureNode)
  const env = {
    // Services start a third sooner when their modules were compiled before.
    NODE_COMPILE_CACHE: join(tools, "compile-cache"),
    ...(takesSettings.has(task)
      ? Environment.exceptLoopback(process.env)
      : Environment.forTests(process.env, settings())),
    PATH: [dirname(node), process.env.PATH].join(delimiter)
  }
  await exclusively("packages", "installing packages", () => ensurePackages(env))
  const [program, standardArgs] = tasks[task]
  return run(program === "node" ? node : program, [...standardArgs, ...args], { env, stdio: "inherit" })
}

/** This Node if it is new enough, else a pinned one from npm. */
const ensureNode = async () => {
  const [major, minor] = process.versions.node.split(".").map(Number)
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return process.execPath
  // npm's `node` package fetches this one in an install script; taken directly, it also comes where scripts are blocked.
  const prefix = process.platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node"
  const name = `${prefix}-${process.platform}-${process.arch}`
  const folder = join(tools, `node-${pinnedNode}`)
  const node = join(folder, "node_modules", name, "bin", "node")
  if (await isNode(node)) return node
  say(
    `Node ${process.versions.node} is older than ${
      oldestNode.join(".")
    }: fetching Node ${pinnedNode} into .tools, once.`
  )
  fs.rmSync(folder, { recursive: true, force: true })
  fs.mkdirSync(folder, { recursive: true })
  // Without a package.json of its own npm would take a folder above for the place to install into.
  fs.writeFileSync(join(folder, "package.json"), "{}\n")
  const install = ["install", "--prefix", folder, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]
  await quietly("npm", [...install, `${name}@${pinnedNode}`], {
    env: { ...Environment.forInstallation(process.env), ...home() },
    failure: `Node ${pinnedNode} could not be fetched from npm's registry: check the network, or install Node ${
      oldestNode.join(".")
    } or newer.`
  })
  if (!(await isNode(node))) {
    throw new Refusal(`The Node that npm fetched doesn't run here: install Node ${oldestNode.join(".")} or newer.`)
  }
  return node
}

const isNode = async (path) => fs.existsSync(path) && (await run(path, ["--version"], { stdio: "ignore" })) === 0

/** Installs what the lockfile says, unless that was done already. */
const ensurePackages = async (env) => {
  const stampFile = join(root, "node_modules", ".bootstrap-stamp")
  const stamp = stampOf()
  if (fs.existsSync(stampFile) && fs.readFileSync(stampFile, "utf8") === stamp) return
  say("Installing packages.")
  const { packageManager } = JSON.parse(fs.readFileSync(join(root, "package.json"), "utf8"))
  // This is the pinned pnpm already: it need not look for itself.
  await quietly("npx", ["--yes", packageManager, "install", "--frozen-lockfile", "--pm-on-fail=ignore"], {
    env: { ...Environment.forInstallation(env), ...home(), CI: "true" },
    failure: "The packages could not be installed: check the network and npm's registry (the output above says more)."
  })
  fs.writeFileSync(stampFile, stamp)
}

/** npm and pnpm keep what they fetch in the user's home. One that has none, as users of containers, gets one here. */
const home = () => {
  try {
    fs.accessSync(process.env.HOME || os.homedir(), fs.constants.W_OK)
    return {}
  } catch {
    const HOME = join(tools, "home")
    fs.mkdirSync(HOME, { recursive: true })
    // The npm that runs this has named its own by now.
    return { HOME, npm_config_cache: join(HOME, ".npm") }
  }
}

/** Changes when the packages must be installed again: with the lockfile, a package.json, or the machine. */
const stampOf = () => {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch} ${root}`)
  const manifests = ["", "*", "*/*"].flatMap(foldersMatching).map((folder) => join(folder, "package.json"))
  const files = [join(root, "pnpm-lock.yaml"), join(root, "pnpm-workspace.yaml"), ...manifests].filter((file) =>
    fs.existsSync(file)
  )
  // oxlint-disable-next-line unicorn/no-array-sort -- toSorted needs Node 20
  for (const file of files.sort()) hash.update(file).update(fs.readFileSync(file))
  return hash.digest("hex")
}

const foldersMatching = (pattern) =>
  pattern.split("/").filter((part) => part === "*").reduce((folders) => folders.flatMap(foldersIn), [root])

const foldersIn = (folder) =>
  fs.readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== "node_modules" && !entry.name.startsWith("."))
    .map((entry) => join(folder, entry.name))

/** Of several commands started at once, one prepares and the others wait for it. */
const exclusively = async (name, doing, work) => {
  held = await takeLock(join(tools, `${name}.lock`), doing)
  try {
    return await work()
  } finally {
    held.release()
    held = undefined
  }
}

const takeLock = async (path, doing) => {
  // Most waits are too short to be reported.
  for (let tellAt = Date.now() + 1_000;;) {
    if (stopSignal !== undefined) throw new Stopped()
    const { holder, lock } = tryLock(path)
    if (lock !== undefined) return lock
    if (Date.now() >= tellAt) {
      tellAt = Date.now() + 30_000
      const { command, pid, since } = holder
      say(`Waiting for process ${pid}, which is ${doing} since ${since.toLocaleTimeString()} (${command}).`)
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const tryLock = (path) => {
  try {
    fs.mkdirSync(tools, { recursive: true })
    return Lock.take(path)
  } catch (error) {
    throw new Refusal(`${tools} can't be written to (${error.message}): make it this user's own.`)
  }
}

/** Shows the command's output only if it fails. */
const quietly = async (program, args, { env, failure }) => {
  const output = []
  const code = await run(
    program,
    args,
    { env, cwd: root, stdio: ["ignore", "pipe", "pipe"] },
    (chunk) => output.push(chunk)
  )
  if (stopSignal !== undefined) throw new Stopped()
  if (code === 0) return
  process.stderr.write(Buffer.concat(output))
  throw new Refusal(failure)
}

const run = (program, args, options, onOutput) =>
  new Promise((resolve, reject) => {
    if (stopSignal !== undefined) return reject(new Stopped())
    const child = running = spawn(program, args, options)
    // If this process is killed, what it started may go on.
    const over = child.pid === undefined ? undefined : held?.extend(child.pid, [program, ...args].join(" "))
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", onOutput)
    child.once("error", (error) =>
      reject(error.code === "ENOENT" ? new Refusal(`${program} was not found: install Node with npm.`) : error))
    child.once("close", (code, signal) => {
      running = undefined
      over?.()
      resolve(code ?? 128 + ({ SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }[signal] ?? 0))
    })
  })

const say = (text) => process.stdout.write(`${text}\n`)

const stop = (signal) => {
  stopSignal = signal
  running?.kill(signal)
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stop(signal))

// Some shells that npm runs commands by die of a signal without passing it on.
const parent = process.ppid
if (process.env.npm_lifecycle_event !== undefined) {
  setInterval(() => process.ppid === parent || stopSignal !== undefined || stop("SIGTERM"), 500).unref()
}

try {
  process.exitCode = await main()
} catch (error) {
  if (error instanceof Stopped) process.exitCode = 130
  else if (error instanceof Refusal) {
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  } else throw error
}
