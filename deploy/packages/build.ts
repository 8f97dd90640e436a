/**
 * Builds the packages for npm: as `node deploy/packages/build.ts [FOLDER]`, into `dist/packages` unless another folder is named.
 * Each is bundled or compiled, so that it brings what it needs of this repository and little else, and is packed by npm; prints the tarballs.
 */
import { execFileSync } from "node:child_process"
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
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
  /** None where the package is compiled, a module of its own for each file. */
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
  },
  {
    folder: "shared/akave",
    bundles: [],
    hasTypes: true,
    manifest: {
      exports: { ".": "./index.js", "./*": "./*.js" },
      dependencies: Object.fromEntries(
        ["@bufbuild/protobuf", "@grpc/grpc-js", "effect", "ethers", "multiformats", "tiny-secp256k1"]
          .map((name) => [name, versionOf(name)])
      ),
      engines: { node: ">=18.18" },
      sideEffects: false
    }
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

const tsc = (project: string) =>
  execFileSync(join(repository, "node_modules/.bin/tsc"), ["-p", project], { cwd: repository, stdio: "inherit" })

/** Compiles the node's interface into the package's folder, where the modules that import it from its own package find it afterwards. */
const compile = (folder: string, out: string) => {
  tsc("proto/tsconfig.package.json")
  tsc(join(folder, "tsconfig.package.json"))
  for (const file of globSync("**/*.{js,d.ts}", { cwd: out })) {
    const path = join(out, file)
    const proto = `./${relative(dirname(path), join(out, "proto"))}`
    writeFileSync(
      path,
      readFileSync(path, "utf8").replaceAll(/"@akave-async\/proto\/(\w+)"/g, (_, name) => `"${proto}/${name}.js"`)
    )
  }
}

const pack = async (one: Package, into: string) => {
  const { bundles, folder, hasTypes, manifest } = one
  const out = join(repository, folder, "dist")
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  for (const each of bundles) await bundle(one, each, out)
  if (bundles.length === 0) compile(folder, out)
  else if (hasTypes) tsc(join(folder, "tsconfig.package.json"))
  const { description, license, name, version } = JSON.parse(read(join(folder, "package.json")))
  writeFileSync(
    join(out, "package.json"),
    `${JSON.stringify({ name, version, description, license, type: "module", ...manifest }, undefined, 2)}\n`
  )
  for (const file of ["README.md", "CHANGELOG.md"].map((name) => join(folder, name))) {
    if (existsSync(join(repository, file))) {
      copyFileSync(join(repository, file), join(repository, file.replace(folder, `${folder}/dist`)))
    }
  }
  const [packed] = JSON.parse(
    execFileSync("npm", ["pack", out, "--json", "--pack-destination", into], { encoding: "utf8" })
  )
  return join(into, packed.filename)
}

const into = resolve(process.argv[2] ?? join(repository, "dist/packages"))
mkdirSync(into, { recursive: true })
for (const one of packages) process.stdout.write(`${await pack(one, into)}\n`)
