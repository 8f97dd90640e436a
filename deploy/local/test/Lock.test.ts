import { assert, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface, type Interface } from "node:readline"
import { onTestFinished } from "vitest"
import * as Lock from "../src/Lock.mjs"

const temporary = () => {
  const folder = mkdtempSync(join(tmpdir(), "akave-async-test-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A process that tries to hold a data folder when it is asked to. */
const contender = async (folder: string) => {
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, "fixtures/contender.ts"), folder], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  onTestFinished(() => void child.kill("SIGKILL"))
  assert.isNotNull(child.stdout)
  const lines: Interface = createInterface({ input: child.stdout })
  await once(lines, "line")
  return {
    ask: async (question: string): Promise<string> => {
      const answer = once(lines, "line")
      child.stdin?.write(`${question}\n`)
      return String((await answer)[0])
    }
  }
}

/** No process has this number: Linux's highest is 4194304, and others' are lower. */
const dead = "99999999 1"

/** What may be left in a lock's place by a start that is gone. */
const leftovers: Readonly<Record<string, (path: string) => void>> = {
  nothing: () => {},
  "a file of an earlier release": (path) => writeFileSync(path, dead),
  "an empty file": (path) => writeFileSync(path, ""),
  "an empty folder": (path) => mkdirSync(path),
  "a dead holder": (path) => {
    mkdirSync(path)
    writeFileSync(join(path, "dead"), JSON.stringify({ process: dead, command: "npm start" }))
  },
  "a holder's file that a power cut emptied": (path) => {
    mkdirSync(path)
    writeFileSync(join(path, "empty"), "")
  },
  "a holder whose number lives on": (path) => {
    mkdirSync(path)
    writeFileSync(join(path, "reused"), JSON.stringify({ process: `${process.pid} 1`, command: "npm start" }))
  }
}

it("of two starts at one moment one holds the data folder, in 300 rounds, whatever was left there", async () => {
  const folder = temporary()
  const contenders = await Promise.all([contender(folder), contender(folder)])
  const kinds = Object.entries(leftovers)
  for (let round = 0; round < 300; round++) {
    const [kind, leave] = kinds[round % kinds.length] ?? kinds[0] ?? []
    leave?.(join(folder, "lock"))
    const answers = await Promise.all(contenders.map(({ ask }) => ask("take")))
    assert.deepStrictEqual(answers.toSorted(), ["DataFolderLocked", "held"], `round ${round}, ${kind}`)
    await contenders[answers.indexOf("held")]?.ask("release")
    assert.deepStrictEqual(readdirSync(folder), [])
  }
})

it("reports who holds it, what that is doing and since when", () => {
  const path = join(temporary(), "lock")
  const before = Date.now()
  const { lock } = Lock.take(path, "npm start")
  assert.isDefined(lock)
  const { holder } = Lock.take(path)
  assert.deepInclude(holder, { pid: process.pid, command: "npm start" })
  assert.closeTo(Number(holder?.since), before, 60_000)
  lock?.release()
  assert.isDefined(Lock.take(path).lock)
})

it("is held for another process until that has ended, though its taker is gone", async () => {
  const path = join(temporary(), "lock")
  const other = spawn("sleep", ["600"])
  const pid = other.pid ?? 0
  onTestFinished(() => void other.kill("SIGKILL"))
  const { lock } = Lock.take(path)
  lock?.extend(pid, "npx install")
  // What a killed taker leaves behind is the same as what it does not extend.
  lock?.release()
  assert.deepInclude(Lock.take(path).holder, { pid, command: "npx install" })
  const ended = once(other, "exit")
  other.kill("SIGKILL")
  await ended
  assert.isDefined(Lock.take(path).lock)
})

it("is free in a copy of its folder, and held where its folder was moved to", () => {
  const folder = temporary()
  const at = (name: string) => join(folder, name, "lock")
  mkdirSync(join(folder, "clone"))
  assert.isDefined(Lock.take(at("clone")).lock)
  cpSync(join(folder, "clone"), join(folder, "copy"), { recursive: true })
  assert.isDefined(Lock.take(at("copy")).lock)
  renameSync(join(folder, "clone"), join(folder, "moved"))
  assert.isDefined(Lock.take(at("moved")).holder)
})

it("says what is in its place where that can't be a lock", () => {
  const path = join(temporary(), "lock")
  mkdirSync(join(path, "folder"), { recursive: true })
  assert.throws(() => Lock.take(path), /lock can't be taken as a lock: remove it/)
})
