/**
 * Builds the packages for npm: as `node deploy/packages/build.ts [FOLDER]`, into `dist/packages` unless another folder is named.
 * Each is bundled, so that it brings what it needs of this repository and little else, and is packed by npm; prints the tarballs.
 */
import { execFileSync } from "node:child_process"
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { build, type Plugin } from "rolldown"

const repository = join(import.meta.dirname, "../..")
const read = (file: string) => readFileSync(join(repository, file), "utf8")
const versionOf = (name: string) =>
  new RegExp(`^  "?${name}"?: (.*)$`, "m").exec(read("pnpm-workspace.yaml"))?.[1] ?? ""

interface Bundle {
  /** Below `src`, without `.ts`. What several share is in a file of its own. */
  readonly entries: ReadonlyArray<string>
  readonly platform: "node" | "browser"
  readonly external?: ReadonlyArray<RegExp>
}
interface Package {
  readonly folder: string
  readonly bundles: ReadonlyArray<Bundle>
  readonly manifest: Readonly<Record<string, unknown>>
  readonly hasTypes: boolean
}

/** What a shell runs names its interpreter. */
const bannerOf = ({ manifest }: Package) => "bin" in manifest ? "#!/usr/bin/env node" : ""

/** A browser has what Node 18 imports, and asks nobody for it. */
const withoutNode: Plugin = {
  name: "without-node",
  resolveId: (id) => id.startsWith("node:") ? { id: `\0${id}` } : null,
  load: (id) => id.startsWith("\0node:") ? "export const webcrypto = undefined" : null
}

const packages: ReadonlyArray<Package> = [
  {
    folder: "shared/client",
    bundles: [
      { entries: ["index", "effect"], platform: "node", external: [/^effect($|\/)/] },
      { entries: ["browser"], platform: "browser" }
    ],
    hasTypes: true,
    manifest: {
      exports: {
        ".": {
          types: "./types/index.d.ts",
          browser: { types: "./types/browser.d.ts", default: "./browser.js" },
          default: "./index.js"
        },
        "./effect": { types: "./types/effect.d.ts", default: "./effect.js" }
      },
      peerDependencies: { effect: versionOf("effect") },
      peerDependenciesMeta: { effect: { optional: true } },
      engines: { node: ">=18.17" },
      sideEffects: false
    }
  },
  {
    folder: "shared/cli",
    bundles: [{ entries: ["main"], platform: "node" }],
    hasTypes: false,
    manifest: { bin: { "akave-async": "main.js" }, engines: { node: ">=20.12" } }
  }
]

const bundle = async (one: Package, { entries, external = [], platform }: Bundle, out: string) => {
  await build({
    input: Object.fromEntries(entries.map((entry) => [entry, join(repository, one.folder, "src", `${entry}.ts`)])),
    platform,
    external: [...external],
    plugins: platform === "browser" ? [withoutNode] : [],
    transform: { target: "es2022" },
    output: {
      dir: out,
      format: "esm",
      banner: bannerOf(one),
      chunkFileNames: "[name].js",
      minify: platform === "browser"
    },
    logLevel: "warn"
  })
}

const pack = async (one: Package, into: string) => {
  const { bundles, folder, hasTypes, manifest } = one
  const out = join(repository, folder, "dist")
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  for (const each of bundles) await bundle(one, each, out)
  if (hasTypes) {
    const tsc = join(repository, "node_modules/.bin/tsc")
    execFileSync(tsc, ["-p", join(folder, "tsconfig.package.json")], { cwd: repository, stdio: "inherit" })
  }
  const { description, license, name, version } = JSON.parse(read(join(folder, "package.json")))
  writeFileSync(
    join(out, "package.json"),
    `${JSON.stringify({ name, version, description, license, type: "module", ...manifest }, undefined, 2)}\n`
  )
  copyFileSync(join(repository, folder, "README.md"), join(out, "README.md"))
  const [packed] = JSON.parse(
    execFileSync("npm", ["pack", out, "--json", "--pack-destination", into], { encoding: "utf8" })
  )
  return join(into, packed.filename)
}

const into = resolve(process.argv[2] ?? join(repository, "dist/packages"))
mkdirSync(into, { recursive: true })
for (const one of packages) process.stdout.write(`${await pack(one, into)}\n`)
