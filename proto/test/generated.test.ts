import { assert, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { promisify } from "node:util"

const root = join(import.meta.dirname, "..")
const bin = join(root, "node_modules", ".bin")

const filesOf = async (folder: string): Promise<Record<string, string>> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const files = await Promise.all(
    paths.map(async (path) => [path.slice(folder.length), await readFile(path, "utf8")] as const)
  )
  return Object.fromEntries(files)
}

it("the generated code is what ipcnode.proto gives", { timeout: 60_000 }, async () => {
  const fresh = await mkdtemp(join(tmpdir(), "proto-"))
  try {
    // The output folder of each plugin, "gen", is taken relative to the folder given here.
    await promisify(execFile)(join(bin, "buf"), ["generate", "--output", fresh], {
      cwd: root,
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}` }
    })
    assert.deepStrictEqual(await filesOf(join(root, "gen")), await filesOf(join(fresh, "gen")))
  } finally {
    await rm(fresh, { recursive: true })
  }
})
