/** The protocol of ledger and settlement, in all its states: it holds, and each step of it is needed. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { execFile, execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const models = fileURLToPath(new URL("../model", import.meta.url))

const isHere = (program: string, argument: string) => {
  try {
    execFileSync(program, [argument], { stdio: "ignore", timeout: 30_000 })
    return true
  } catch {
    return false
  }
}
const missing = [["spin", "-V"], ["cc", "--version"]].flatMap(([program = "", argument = ""]) =>
  isHere(program, argument) ? [] : [program]
)
if (missing.length > 0) console.info(`Skipped: the model is not checked for want of ${missing.join(" and ")}.`)

/** What the checker may take: memory in megabytes, steps of a path, and time in milliseconds. */
const limits = { memory: 2000, depth: 100_000, time: 120_000 }

interface Check {
  readonly model: "settlement" | "progress"
  /** What differs from the model's own settings. */
  readonly settings?: Readonly<Record<string, number>>
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "akave-model-"))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const execute = promisify(execFile)

/** The checker's report on a model: what it found wrong first, or nothing after all states. */
const check = async ({ model, settings = {} }: Check, optimisation: "-O0" | "-O2") => {
  const run = (program: string, args: ReadonlyArray<string>) =>
    execute(program, args, { cwd: folder, timeout: limits.time })
  const given = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`)
  await run("spin", ["-a", ...given, join(models, `${model}.pml`)])
  const kind = model === "progress" ? "-DNFAIR=3" : "-DSAFETY"
  await run("cc", [optimisation, "-w", kind, `-DMEMLIM=${limits.memory}`, "-o", "pan", "pan.c"])
  const { stdout } = await run("./pan", [`-m${limits.depth}`, ...(model === "progress" ? ["-a", "-f"] : [])])
  return stdout
}

const holds = (sentence: string, checked: Check) =>
  it(sentence, { timeout: limits.time }, async () => {
    const report = await check(checked, "-O2")
    assert.match(report, /errors: 0$/m)
    assert.notMatch(report, /Search not completed|search depth too small/)
  })

const isFound = (sentence: string, checked: Check) =>
  it(sentence, { timeout: limits.time }, async () => {
    // A fault is found at once, so that compiling takes the time.
    const report = await check(checked, "-O0")
    assert.match(report, /errors: 1$/m)
    assert.match(report, checked.model === "progress" ? /acceptance cycle/ : /assertion violated/)
  })

describe.skipIf(missing.length > 0)("the model", () => {
  describe("holds in every state", () => {
    holds("of three executors with two jobs, while the wallet is used from elsewhere", {
      model: "settlement",
      settings: { EXECUTORS: 3 }
    })
    holds("of three executors with three jobs", {
      model: "settlement",
      settings: { EXECUTORS: 3, JOBS: 3, FOREIGN: 0, RAISES: 0 }
    })
    holds("of two executors with three jobs, while the wallet is used from elsewhere", {
      model: "settlement",
      settings: { JOBS: 3, RAISES: 0 }
    })
    holds("of three executors with two jobs, while the contract refuses a call", {
      model: "settlement",
      settings: { EXECUTORS: 3, REVERTS: 1, RAISES: 0 }
    })
    holds("of two executors with two jobs, one of which others do from the same wallet", {
      model: "settlement",
      settings: { ADOPTIONS: 1, RAISES: 0 }
    })
    holds("of a job that others do from the same wallet, while the chain takes back what is not confirmed", {
      model: "settlement",
      settings: { ADOPTIONS: 1, JOBS: 1, REORGANISATIONS: 1 }
    })
    holds("of two executors with two jobs, while the chain takes back what is not confirmed", {
      model: "settlement",
      settings: { REORGANISATIONS: 1 }
    })
  })

  describe("holds in every state of jobs of two parts", () => {
    const parts = (settings: Check["settings"]): Check => ({ model: "settlement", settings: { PARTS: 2, ...settings } })
    holds("that two executors work on, while the wallet is used from elsewhere", parts({ RAISES: 0 }))
    holds("while the contract refuses a call", parts({ EXECUTORS: 3, JOBS: 1, REVERTS: 1 }))
    holds("of which others do the first part", parts({ EXECUTORS: 3, JOBS: 1, ADOPTIONS: 1 }))
    holds("while the chain takes back what is not confirmed", parts({ JOBS: 1, REORGANISATIONS: 1 }))
  })

  const undo = (settings: Check["settings"]): Check => ({
    model: "settlement",
    settings: { PARTS: 2, UNDO: 1, JOBS: 1, ...settings }
  })
  describe("holds in every state of jobs that take back what they have done", () => {
    holds("while the wallet is used from elsewhere", undo({ EXECUTORS: 3 }))
    holds("of which two executors work on two", undo({ JOBS: 2, FOREIGN: 0, RAISES: 0 }))
    holds("while the contract refuses a call", undo({ REVERTS: 1 }))
    holds("while the chain takes back what is not confirmed", undo({ REORGANISATIONS: 1 }))
  })

  describe("finds that it would not be safe", () => {
    const mutants = [
      [1, "to append a claim without the ledger's end that it was decided on"],
      [2, "to replace a transaction without the ledger's end that it was decided on"],
      [3, "to take a missing receipt for proof that the nonce was used from elsewhere"],
      [4, "to fail a job at its deadline without using up its nonce"],
      [5, "to fail a job without giving it up in the ledger"],
      [6, "to give up a job that has a claim"],
      [7, "to claim again after a claim that was cancelled"],
      [8, "to take a claim for spent because its nonce is used, though by a version that another executor stored"]
    ] as const
    for (const [mutant, sentence] of mutants) {
      isFound(sentence, { model: "settlement", settings: { MUTANT: mutant } })
    }
    isFound("to take a claim for spent by a block that is not confirmed", {
      model: "settlement",
      settings: { MUTANT: 9, JOBS: 1, REORGANISATIONS: 1 }
    })
    isFound("to complete a job by what others have sent and the chain has not mined", {
      model: "settlement",
      settings: { MUTANT: 10, JOBS: 1, ADOPTIONS: 1 }
    })
    isFound("to go on to the next part by a block that is not confirmed", {
      model: "settlement",
      settings: { MUTANT: 11, PARTS: 2, JOBS: 1, REORGANISATIONS: 1 }
    })
    isFound("to give up one part of a job, where another has a claim", {
      model: "settlement",
      settings: { MUTANT: 12, PARTS: 2, JOBS: 1 }
    })
    isFound("to take back what a job has done while its claim may still be mined", undo({ MUTANT: 13 }))
    isFound("to end a job before what takes it back is mined", undo({ MUTANT: 14 }))
    isFound("to go on with a job behind what takes it back", undo({ MUTANT: 15 }))
    isFound("to count on one confirmation where the chain takes blocks back", {
      model: "settlement",
      settings: { CONFIRMED: 0, JOBS: 1, REORGANISATIONS: 1 }
    })
  })

  describe("ends every job, and uses every nonce,", () => {
    holds("after crashes, losses and a rise of the price, and with a nonce that nobody has", { model: "progress" })
    holds("with a deadline, and where the contract refuses a call", {
      model: "progress",
      settings: { JOBS: 1, DEADLINE: 1, REVERTS: 1 }
    })
    holds("of two jobs", { model: "progress", settings: { JOBS: 2, FOREIGN: 0, FAULTS: 1 } })
    holds("of a job of two parts", { model: "progress", settings: { PARTS: 2, FAULTS: 1 } })
    holds("of a job of two parts with a deadline", {
      model: "progress",
      settings: { PARTS: 2, FAULTS: 1, FOREIGN: 0, DEADLINE: 1 }
    })
    holds("of jobs that were over before the chain took their transactions back", {
      model: "progress",
      settings: { FOREIGN: 0, REORGANISATIONS: 1 }
    })
  })

  describe("finds that a job or the wallet would wait for ever", () => {
    const mutants = [
      [1, "if keepers sent nothing again"],
      [2, "if keepers raised no fees"],
      [3, "if keepers left nonces that nobody has"],
      [4, "if a job were not delivered again after a crash"]
    ] as const
    for (const [mutant, sentence] of mutants) isFound(sentence, { model: "progress", settings: { MUTANT: mutant } })
    isFound("if a job were not taken on from its first part to the next", {
      model: "progress",
      settings: { MUTANT: 6, PARTS: 2, FOREIGN: 0 }
    })
    isFound("if keepers left the transactions of ended jobs", {
      model: "progress",
      settings: { MUTANT: 5, FOREIGN: 0, REORGANISATIONS: 1 }
    })
  })
})
