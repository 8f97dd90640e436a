import { assert, it } from "@effect/vitest"
import * as Environment from "../src/Environment.mjs"

it("takes this machine out of what goes to a proxy, beside what was out already", () => {
  const { NO_PROXY, no_proxy } = Environment.exceptLoopback({ NO_PROXY: "example.org, .inside" })
  assert.strictEqual(no_proxy, "example.org,.inside,localhost,127.0.0.1,::1,[::1]")
  assert.strictEqual(NO_PROXY, no_proxy)
})

it("gives tests nothing that would lead them away from their own servers", () => {
  const shell = {
    PATH: "/bin",
    PGSSLMODE: "require",
    EVENTS_STREAM: "X",
    NATS_SERVER_BIN: "/nats",
    SIMULATION_SEED: "1"
  }
  const { NO_PROXY: _, no_proxy: __, ...given } = Environment.forTests(
    shell,
    new Set(["EVENTS_STREAM", "NATS_SERVER_BIN"])
  )
  assert.deepStrictEqual(given, { PATH: "/bin", NATS_SERVER_BIN: "/nats", SIMULATION_SEED: "1" })
})

it("installs all packages, from where the shell says", () => {
  const kept = {
    PATH: "/bin",
    npm_config_registry: "https://registry.inside",
    npm_config_https_proxy: "http://proxy",
    "npm_config_//registry.inside/:_authToken": "token",
    NPM_CONFIG_CAFILE: "/ca.pem"
  }
  const left = {
    NODE_ENV: "production",
    npm_config_omit: "dev",
    npm_config_production: "true",
    npm_config_ignore_scripts: "true",
    npm_config_global: "true",
    npm_config_prefix: "/usr",
    pnpm_config_node_linker: "hoisted",
    NPM_CONFIG_ONLY: "prod"
  }
  assert.deepStrictEqual(Environment.forInstallation({ ...kept, ...left }), kept)
})

it("reads the names of settings from the text that documents them", () => {
  assert.deepStrictEqual([...Environment.settingsIn("# Text\n#PORT=8000\n#NATS_URL=\n# X=1\n")], ["PORT", "NATS_URL"])
})
