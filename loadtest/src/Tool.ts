/** Which program makes the load: k6 wherever it is to be had, else its stand-in. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { accessSync, constants, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"

export type Tool =
  | { readonly name: "k6"; readonly path: string }
  /** k6 is not here, but can be built. */
  | { readonly name: "go"; readonly path: string }
  | { readonly name: "autocannon" }

export interface Places {
  /** A k6 that was chosen by hand: the value of K6. */
  readonly k6?: string | undefined
  /** The value of PATH. */
  readonly path: string
  /** Where a k6 built here lives. */
  readonly builtK6: string
}

/** Printed as its one sentence. */
export class Refusal extends Error {}

/** The first one that runs the scenario as it is: TypeScript is understood from this version on. */
const oldest = [0, 57] as const

export const choose = ({ builtK6, k6, path }: Places): Tool => {
  if (k6) {
    if (canRun(k6)) return { name: "k6", path: k6 }
    throw new Refusal(`K6 is set to ${k6}, which is not k6 ${oldest.join(".")} or newer.`)
  }
  const folders = path.split(delimiter).filter((folder) => folder !== "")
  const found = [...folders.map((folder) => join(folder, `k6${suffix}`)), builtK6].find(canRun)
  if (found !== undefined) return { name: "k6", path: found }
  const go = folders.map((folder) => join(folder, `go${suffix}`)).find(isExecutable)
  return go === undefined ? { name: "autocannon" } : { name: "go", path: go }
}

const suffix = process.platform === "win32" ? ".exe" : ""

const canRun = (path: string): boolean => {
  if (!isExecutable(path)) return false
  try {
    const output = execFileSync(path, ["version"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 10_000
    })
    const [, major, minor] = /\bv(\d+)\.(\d+)\./.exec(output) ?? []
    return Number(major) > oldest[0] || (Number(major) === oldest[0] && Number(minor) >= oldest[1])
  } catch {
    return false
  }
}

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** The newest that Go's public module proxy has. */
const k6Module = { path: "go.k6.io/k6/v2", version: "v2.2.0", go: "1.25.0" }
export const k6Version = k6Module.version

/**
 * Builds k6 and moves it into place in one step. It is required by a module made for the purpose, where `go install`
 * would ask the proxy for k6's list of versions, which it does not always have.
 */
export const build = async (go: string, builtK6: string): Promise<boolean> => {
  mkdirSync(dirname(builtK6), { recursive: true })
  const folder = mkdtempSync(join(dirname(builtK6), "k6-"))
  try {
    const { go: language, path, version } = k6Module
    writeFileSync(join(folder, "go.mod"), `module k6-build\n\ngo ${language}\n\nrequire ${path} ${version}\n`)
    const made = join(folder, `k6${suffix}`)
    const code = await run(go, ["build", "-mod=mod", "-o", made, path], process.env, folder)
    if (code !== 0 || !canRun(made)) return false
    renameSync(made, builtK6)
    return true
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs a program with its output shown and signals passed on to it; gives its exit code. */
export const run = (
  program: string,
  args: ReadonlyArray<string>,
  env: NodeJS.ProcessEnv,
  cwd: string
): Promise<number> =>
  new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(program, args, { cwd, env, stdio: "inherit" })
    const pass = (signal: NodeJS.Signals) => child.kill(signal)
    for (const signal of signals) process.on(signal, pass)
    child.once("error", reject)
    child.once("close", (code, signal) => {
      for (const signal of signals) process.off(signal, pass)
      // Whoever stopped the program by a signal meant this one too.
      if (signal !== null) process.kill(process.pid, signal)
      resolve(code ?? 1)
    })
  })

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const
