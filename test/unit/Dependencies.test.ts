/** The arrows between packages: `domain ← api, eventing ← services ← test`. */
import { assert, describe, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** For each folder, the folders whose packages it may import. Tests of a package may import what the package may. */
const allowed: Readonly<Record<string, ReadonlyArray<string>>> = {
  "shared/domain": [],
  proto: [],
  "shared/akave": ["proto"],
  "shared/platform": [],
  "shared/api": ["shared/domain"],
  "shared/eventing": ["shared/domain", "shared/platform"],
  "services/devnet": ["proto", "shared/platform"],
  "services/gateway": [
    "shared/domain",
    "shared/api",
    "shared/eventing",
    "shared/platform",
    "shared/read-model",
    "shared/akave",
    "shared/staging"
  ],
  "services/executor": ["shared/domain", "shared/eventing", "shared/platform", "shared/akave", "shared/staging"],
  "services/notifier": ["shared/domain", "shared/eventing", "shared/platform"],
  "services/projector": ["shared/domain", "shared/eventing", "shared/platform", "shared/read-model"],
  "shared/staging": ["shared/platform"],
  "shared/read-model": ["shared/domain", "shared/eventing", "shared/platform"],
  "shared/operator": ["shared/domain", "shared/eventing", "shared/platform", "shared/read-model", "shared/akave"],
  "shared/client": ["shared/api", "shared/domain"],
  "shared/cli": ["shared/client", "shared/domain", "shared/eventing", "shared/operator", "shared/platform"],
  "deploy/local": ["shared/api", "shared/domain", "shared/platform"],
  "deploy/packages": [],
  "docs/examples": ["shared/client", "shared/akave"],
  loadtest: ["shared/domain", "deploy/local"],
  test: [
    "shared/domain",
    "shared/api",
    "shared/eventing",
    "shared/operator",
    "shared/platform",
    "shared/read-model",
    "shared/akave",
    "shared/staging",
    "shared/client",
    "proto",
    "deploy/local",
    "loadtest",
    "services/executor",
    "services/gateway",
    "services/notifier",
    "services/projector"
  ]
}

const json = (file: string) => JSON.parse(readFileSync(join(root, file), "utf8"))
const folders = Object.keys(allowed)
const nameOf = new Map(folders.map((folder): [string, string] => [json(`${folder}/package.json`).name, folder]))

interface Import {
  readonly file: string
  readonly specifier: string
}

const importsOf = (folder: string): ReadonlyArray<Import> =>
  globSync(`${folder}/**/*.{ts,mjs}`, { cwd: root, exclude: (path) => String(path).includes("node_modules") }).flatMap((
    file
  ) =>
    Array.from(
      readFileSync(join(root, file), "utf8").matchAll(/^(?:import|export [{*])[^"]*?"([^"]+)"|\bimport\("([^"]+)"\)/gm),
      ([, named, dynamic = ""]) => ({ file, specifier: named ?? dynamic })
    )
  )
/** The package that an import names: `@scope/name/path` is `@scope/name`. */
const packageOf = (specifier: string) => specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/")

describe.each(folders)("%s", (folder) => {
  const imports = importsOf(folder)
  const manifest = json(`${folder}/package.json`)
  const rootManifest = json("package.json")

  it("imports of this repository only what it may", () => {
    const wrong = imports.filter(({ specifier }) => {
      const target = nameOf.get(packageOf(specifier))
      return target !== undefined && target !== folder && !allowed[folder]?.includes(target)
    })
    assert.deepStrictEqual(wrong, [])
  })

  it("reaches no other package by a relative path", () => {
    const wrong = imports.filter(({ file, specifier }) =>
      specifier.startsWith(".") && relative(join(root, folder), join(root, dirname(file), specifier)).startsWith("..")
    )
    assert.deepStrictEqual(wrong, [])
  })

  it("declares every package that it imports", () => {
    const known = { ...manifest.dependencies, ...manifest.devDependencies, ...rootManifest.devDependencies }
    const undeclared = imports.filter(({ specifier }) =>
      !/^([.]|node:|k6)/.test(specifier) && packageOf(specifier) !== manifest.name &&
      known[packageOf(specifier)] === undefined
    )
    assert.deepStrictEqual(undeclared, [])
  })
})

it("has a rule for every package", () => {
  const manifests = globSync(["{services,shared}/*/package.json", "{deploy,docs}/*/package.json", "*/package.json"], {
    cwd: root
  })
  assert.sameMembers(manifests.map((file) => dirname(file)).filter((folder) => folder !== "node_modules"), folders)
})

it("keeps the domain pure: it imports effect and nothing else", () => {
  const packages = new Set(
    importsOf("shared/domain/src").map(({ specifier }) => packageOf(specifier)).filter((name) => !name.startsWith("."))
  )
  assert.deepStrictEqual([...packages], ["effect"])
})

it("has a domain that reads no clock: callers bring the time", () => {
  const wrong = globSync("shared/domain/src/**/*.ts", { cwd: root }).filter((file) =>
    /\bDateTime\.now|\bDate\.now|\bnew Date\(|\bClock\b|\bRandom\b/.test(readFileSync(join(root, file), "utf8"))
  )
  assert.deepStrictEqual(wrong, [])
})

it("has no cycle of imports, of types or of values", () => {
  const manifests = new Map(folders.map((folder): [string, { readonly exports?: Readonly<Record<string, string>> }] => [
    folder,
    json(`${folder}/package.json`)
  ]))
  /** The file that an import names, where it is one of this repository's. */
  const resolve = ({ file, specifier }: Import): string | undefined => {
    if (specifier.startsWith(".")) return join(dirname(file), specifier)
    const folder = nameOf.get(packageOf(specifier))
    const path = specifier.split("/").slice(2).join("/")
    if (folder === undefined) return undefined
    const isTest = path.startsWith("test/") && manifests.get(folder)?.exports?.["./test/*"] !== undefined
    return join(folder, isTest ? `${path}.ts` : `src/${path}.ts`)
  }
  const imports = folders.filter((folder) => folder !== "proto").flatMap(importsOf)
  const targets = new Map<string, Set<string>>()
  for (const one of imports) {
    const target = resolve(one)
    if (target !== undefined) targets.set(one.file, (targets.get(one.file) ?? new Set()).add(target))
  }
  const done = new Set<string>()
  const cycles: Array<string> = []
  const visit = (file: string, path: ReadonlyArray<string>) => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(" → "))
    if (path.includes(file) || done.has(file)) return
    for (const target of targets.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of targets.keys()) visit(file, [])
  assert.isAbove(targets.size, 100)
  assert.deepStrictEqual(cycles, [])
})

it("runs effects, and reads the environment, only where a process starts", () => {
  // At the edge to a foreign library's callbacks, an effect is run with the context that surrounds it.
  // Every service starts in Service.ts; the client library is used where there may be no Effect.
  const readers = new Set(["shared/platform/src/Service.ts", "shared/client/src/node.ts"])
  const isWrong = (file: string, text: string) =>
    (/\bprocess\.env\b/.test(text) && !readers.has(file))
    || (text.match(/\bEffect\.run[A-Z]\w+/g) ?? []).some((name) => !name.endsWith("With"))
  const sources = globSync("{services,shared}/*/src/**/*.ts", { cwd: root })
  assert.deepStrictEqual(sources.filter((file) => isWrong(file, readFileSync(join(root, file), "utf8"))), [])
})

it("finds its files wherever the clone lies: a path is no URL, and a URL's path is no file", () => {
  const isWrong = /\bimport\((?!["\w]*"|pathToFileURL\()|new URL\([^)]*import\.meta\.url\)\.pathname|`file:\/\//
  const sources = globSync("{services,shared,deploy,test,loadtest,proto}/**/*.{ts,mjs}", {
    cwd: root,
    exclude: (path) => /node_modules|\bgen\b/.test(String(path))
  })
  assert.isNotEmpty(sources)
  const wrong = sources.filter((file) => isWrong.test(readFileSync(join(root, file), "utf8")))
  assert.deepStrictEqual(wrong.filter((file) => file !== "test/unit/Dependencies.test.ts"), [])
})
