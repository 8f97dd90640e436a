import { assert, describe, it } from "@effect/vitest"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { build, choose, Refusal } from "../src/Tool.ts"

const makeFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), "akave-async-loadtest-"))
  /** A program made of these lines of shell. */
  const program = (path: string, ...lines: ReadonlyArray<string>) => {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, ["#!/bin/sh", ...lines, ""].join("\n"), { mode: 0o755 })
    return file
  }
  const k6 = (path: string, version: string) => program(path, `echo "k6 ${version} (go1.26.0, linux/amd64)"`)
  const path = ["a", "b"].map((name) => join(folder, name)).join(delimiter)
  const builtK6 = join(folder, "built", "k6")
  const dispose = () => rmSync(folder, { recursive: true, force: true })
  return { folder, program, k6, places: { path, builtK6 }, [Symbol.dispose]: dispose }
}

// The programs of these tests are shell scripts.
describe.skipIf(process.platform === "win32")("the load test's tool", () => {
  it("is the k6 that K6 names, before any other", () => {
    using at = makeFolder()
    at.k6("a/k6", "v1.8.1")
    const path = at.k6("mine/k6", "v1.8.1")
    assert.deepStrictEqual(choose({ ...at.places, k6: path }), { name: "k6", path })
  })

  it("is refused when K6 names something that is not a new enough k6", () => {
    using at = makeFolder()
    at.k6("a/k6", "v1.8.1")
    for (const k6 of [join(at.folder, "missing"), at.program("other", "echo hello"), at.k6("old/k6", "v0.56.0")]) {
      assert.throws(() => choose({ ...at.places, k6 }), Refusal, k6)
    }
  })

  it("is the first k6 on PATH that is new enough, before one built here", () => {
    using at = makeFolder()
    at.k6("a/k6", "v0.56.0")
    at.k6("built/k6", "v2.2.0")
    const path = at.k6("b/k6", "v0.57.0")
    assert.deepStrictEqual(choose({ ...at.places, k6: "" }), { name: "k6", path })
  })

  it("is the k6 built here before Go", () => {
    using at = makeFolder()
    at.program("a/go")
    const path = at.k6("built/k6", "v2.2.0")
    assert.deepStrictEqual(choose(at.places), { name: "k6", path })
  })

  it("is built by Go where there is no k6", () => {
    using at = makeFolder()
    const path = at.program("b/go")
    assert.deepStrictEqual(choose(at.places), { name: "go", path })
  })

  it("is autocannon where there is neither k6 nor Go", () => {
    using at = makeFolder()
    mkdirSync(join(at.folder, "a", "go"), { recursive: true })
    assert.deepStrictEqual(choose(at.places), { name: "autocannon" })
    assert.deepStrictEqual(choose({ ...at.places, path: "" }), { name: "autocannon" })
  })

  it("comes into place in one piece when Go has built it", async () => {
    using at = makeFolder()
    // go build -mod=mod -o <file> <module>
    const go = at.program(
      "a/go",
      `grep -q "require $5 v" go.mod || exit 1`,
      `printf '#!/bin/sh\\necho "k6 v2.2.0"\\n' > "$4" && chmod +x "$4"`
    )
    assert.isTrue(await build(go, at.places.builtK6))
    assert.deepStrictEqual(choose({ ...at.places, path: "" }), { name: "k6", path: at.places.builtK6 })
    assert.deepStrictEqual(readdirSync(dirname(at.places.builtK6)), ["k6"])
  })

  it("leaves nothing behind when Go could not build it", async () => {
    using at = makeFolder()
    assert.isFalse(await build(at.program("a/go", "exit 1"), at.places.builtK6))
    assert.isFalse(existsSync(at.places.builtK6))
    assert.deepStrictEqual(readdirSync(dirname(at.places.builtK6)), [])
  })
})
