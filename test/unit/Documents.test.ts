/** What the documents link to is there, and what they show is what the code has. */
import * as Sdk from "@akave-async/sdk"
import { assert, it } from "@effect/vitest"
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))
const sdkGuide = readFileSync(join(root, "docs/sdk.md"), "utf8")
const documents = ["README.md", ...globSync("docs/**/*.md", { cwd: root })]

/** The anchor of a heading, as GitHub makes it. */
const anchorOf = (heading: string) => heading.toLowerCase().replaceAll(/[^\w\- ]/g, "").replaceAll(" ", "-")

it.each(documents)("%s links to files and headings that are there", (document) => {
  const text = readFileSync(join(root, document), "utf8")
  for (const [, target = ""] of text.matchAll(/\]\(([^)]+)\)/g)) {
    if (/^https?:/.test(target)) continue
    const [path = "", anchor] = target.split("#")
    const file = path === "" ? document : join(dirname(document), path)
    assert.isTrue(existsSync(join(root, file)), `${document} links to ${target}`)
    if (anchor === undefined) continue
    const headings = Array.from(readFileSync(join(root, file), "utf8").matchAll(/^#+ (.*)$/gm), ([, one = ""]) => one)
    assert.include(headings.map(anchorOf), anchor, `${document} links to ${target}`)
  }
})

it("the glossary defines each word once", () => {
  const glossary = readFileSync(join(root, "docs/glossary.md"), "utf8")
  const words = Array.from(glossary.matchAll(/^\| (\*\*.*?) \|/gm), ([, one = ""]) => one)
  assert.isAtLeast(words.length, 30)
  assert.strictEqual(new Set(words).size, words.length)
})

it("the guide to the SDK shows parts of programs that run", () => {
  const programs = globSync("docs/examples/*.ts", { cwd: root }).map((file) => readFileSync(join(root, file), "utf8"))
  const blocks = Array.from(sdkGuide.matchAll(/```(\w*)\n([^]*?)```/g), ([, language = "", block = ""]) => {
    assert.strictEqual(language, "ts")
    return block
  })
  assert.isAtLeast(blocks.length, 7)
  for (const block of blocks) assert.isTrue(programs.some((program) => program.includes(block)), block)
})

it("the guide to the SDK names every error that it exports, and no other", () => {
  const exported = Object.entries(Sdk).flatMap(([name, one]) =>
    "prototype" in one && one.prototype instanceof Error ? [name] : []
  )
  const [, errors = ""] = /^## Errors\n([^]*?)^## /m.exec(sdkGuide) ?? []
  const named = Array.from(errors.matchAll(/^\| (`[^|]*) \|/gm), ([, names = ""]) => names.match(/\w+/g) ?? []).flat()
  assert.isAtLeast(exported.length, 20)
  assert.sameMembers(named, exported)
})
