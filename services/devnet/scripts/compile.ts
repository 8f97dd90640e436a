// Compiles the contracts into src/artifacts: `node scripts/compile.ts`.
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import solc from "solc"

const root = join(import.meta.dirname, "..")
const contracts = ["AccessManager", "ListPolicy", "Storage"] as const

export interface Artifact {
  readonly contractName: string
  readonly compiler: string
  readonly abi: ReadonlyArray<object>
  readonly bytecode: string
  readonly deployedBytecode: string
}

interface Output {
  readonly errors?: ReadonlyArray<{ readonly formattedMessage: string }>
  readonly contracts: Record<
    string,
    Record<string, {
      readonly abi: ReadonlyArray<object>
      readonly evm: {
        readonly bytecode: { readonly object: string }
        readonly deployedBytecode: { readonly object: string }
      }
    }>
  >
}

/** What each artefact must contain, by the path of its file. A warning fails it like an error. */
export const compile = async (): Promise<Record<string, Artifact>> => {
  const files = await readdir(join(root, "contracts"))
  const sources = await Promise.all(files.map(async (file) => {
    const content = await readFile(join(root, "contracts", file), "utf8")
    return [file, { content }] as const
  }))
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(sources),
    settings: {
      evmVersion: "cancun",
      optimizer: { enabled: true, runs: 200 },
      // Without the hash of the metadata the bytecode depends on the code alone, not on comments.
      metadata: { bytecodeHash: "none" },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } }
    }
  }
  const output: Output = JSON.parse(solc.compile(JSON.stringify(input)))
  if (output.errors !== undefined) throw new Error(output.errors.map((error) => error.formattedMessage).join("\n"))

  const artifacts = contracts.map((name) => {
    const compiled = output.contracts[`${name}.sol`]?.[name]
    if (compiled === undefined) throw new Error(`${name}.sol has no contract ${name}`)
    return [join(root, "src", "artifacts", `${name}.json`), {
      contractName: name,
      compiler: solc.version(),
      abi: compiled.abi,
      bytecode: `0x${compiled.evm.bytecode.object}`,
      deployedBytecode: `0x${compiled.evm.deployedBytecode.object}`
    }] as const
  })
  return Object.fromEntries(artifacts)
}

export const textOf = (artifact: Artifact): string => `${JSON.stringify(artifact, null, 2)}\n`

if (import.meta.main) {
  const artifacts = await compile()
  await Promise.all(Object.entries(artifacts).map(([path, artifact]) => writeFile(path, textOf(artifact))))
}
