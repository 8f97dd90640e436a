/** What stands before every root script, in a small clone whose npx and task are scripts that report what they were asked. */
import { assert, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { onTestFinished } from "vitest"

const local = join(import.meta.dirname, "..")

const clone = (name = "clone") => {
  const folder = mkdtempSync(join(tmpdir(), "akave-async-test-"))
  onTestFinished(() => rmSync(folder, { recursive: true, maxRetries: 10 }))
  const root = join(folder, name)
  for (const file of ["bootstrap.mjs", ...globSync("src/*.mjs", { cwd: local })]) {
    cpSync(join(local, file), join(root, "deploy/local", file))
  }
  cpSync(join(local, "../../.env.example"), join(root, ".env.example"))
  writeFileSync(join(root, "package.json"), JSON.stringify({ packageManager: "pnpm@1.0.0" }))
  const script = (path: string, text: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), `#!/bin/sh\n${text}\n`)
    chmodSync(join(folder, path), 0o755)
  }
  // It installs until it may end.
  script(
    "bin/npx",
    `env >> '${folder}/env'; echo "$@" >> '${folder}/installs'; until [ -e '${folder}/go' ]; do sleep 0.05; done`
  )
  script(`${name}/node_modules/.bin/dprint`, "echo formatted; env")

  const run = (task = "format", env: Readonly<Record<string, string>> = {}) => {
    const child = spawn(process.execPath, [join(root, "deploy/local/bootstrap.mjs"), task], {
      env: { PATH: [join(folder, "bin"), "/usr/bin", "/bin"].join(delimiter), ...env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    onTestFinished(() => void child.kill("SIGKILL"))
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output += chunk)
    const exited = once(child, "close")
    return {
      child,
      output: () => output,
      exited: exited.then(([code]) => Number(code)),
      says: async (text: string) => {
        while (!output.includes(text)) {
          assert.isNull(child.exitCode, output)
          await sleep(20)
        }
      }
    }
  }
  const mayEnd = () => writeFileSync(join(folder, "go"), "")
  const written = (file: string) => existsSync(join(folder, file)) ? readFileSync(join(folder, file), "utf8") : ""
  const installs = async (count: number) => {
    while (written("installs").split("\n").length <= count) await sleep(20)
  }
  return { root, run, mayEnd, written, installs }
}

it.each(["", "99999999", `${process.pid}`])("starts over a lock file that holds %j", async (text) => {
  const { mayEnd, root, run } = clone()
  mkdirSync(join(root, ".tools"))
  for (const name of ["node", "packages"]) writeFileSync(join(root, `.tools/${name}.lock`), text)
  mayEnd()
  const start = run()
  assert.strictEqual(await start.exited, 0, start.output())
  assert.include(start.output(), "formatted")
})

it("of two commands one installs, and the other says what it waits for", async () => {
  const { installs, mayEnd, run, written } = clone()
  const first = run()
  await installs(1)
  const second = run()
  await second.says("Waiting for process")
  assert.match(
    second.output(),
    new RegExp(`process ${first.child.pid}, which is installing packages since .*bootstrap.mjs format`)
  )
  mayEnd()
  assert.deepStrictEqual([await first.exited, await second.exited], [0, 0])
  assert.strictEqual(written("installs").trim().split("\n").length, 1)
})

it("waits for the installation that a killed command left running, and then installs itself", async () => {
  const { installs, mayEnd, root, run } = clone()
  const first = run()
  await installs(1)
  // Its own file, and that of what it installs by.
  while (readdirSync(join(root, ".tools/packages.lock")).length < 2) await sleep(20)
  first.child.kill("SIGKILL")
  await first.exited.catch(() => {})
  const second = run()
  await second.says("Waiting for process")
  assert.match(second.output(), /installing packages since .*npx --yes pnpm@1\.0\.0 install/)
  mayEnd()
  await installs(2)
  assert.strictEqual(await second.exited, 0)
})

it("runs wherever the clone lies, and refuses to test where Vitest can't", async () => {
  const { mayEnd, root, run } = clone("a #b?c%25d 'e' ä")
  mayEnd()
  const format = run()
  assert.strictEqual(await format.exited, 0, format.output())
  const verify = run("verify")
  assert.strictEqual(await verify.exited, 1)
  assert.strictEqual(
    verify.output(),
    `Vitest finds no files where the path holds #, ? or %: move ${root} elsewhere to test it.\n`
  )
})

it("installs what develops and tests, and leaves this machine out of what goes to a proxy, whatever the shell says", async () => {
  const { mayEnd, run, written } = clone()
  mayEnd()
  const start = run("format", { NODE_ENV: "production", npm_config_omit: "dev", http_proxy: "http://proxy" })
  assert.strictEqual(await start.exited, 0)
  assert.notMatch(written("env"), /^(NODE_ENV|npm_config_omit)=/m)
  assert.match(start.output(), /^no_proxy=localhost,127\.0\.0\.1/m)
})

it("gives npm a home where the user has none", async () => {
  const { mayEnd, root, run, written } = clone()
  mayEnd()
  assert.strictEqual(await run("format", { HOME: join(root, "nowhere"), npm_config_cache: "/.npm" }).exited, 0)
  assert.include(written("env"), `\nHOME=${join(root, ".tools/home")}\n`)
  assert.include(written("env"), `\nnpm_config_cache=${join(root, ".tools/home/.npm")}\n`)
})
