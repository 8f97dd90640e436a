/** The Compose file and the settings that are documented for it, held against each other and against the code. */
import { assert, it } from "@effect/vitest"
import { Schema } from "effect"
import { computeAddress } from "ethers"
import { execFileSync } from "node:child_process"
import { existsSync, globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parse } from "yaml"

const repository = fileURLToPath(new URL("../..", import.meta.url))
const read = (path: string) => readFileSync(join(repository, path), "utf8")

const Service = Schema.Struct({
  image: Schema.String,
  build: Schema.optionalKey(Schema.Struct({ context: Schema.String, dockerfile: Schema.String })),
  command: Schema.optionalKey(Schema.Array(Schema.String)),
  container_name: Schema.optionalKey(Schema.String),
  environment: Schema.Record(Schema.String, Schema.NullOr(Schema.String)),
  ports: Schema.optionalKey(Schema.Array(Schema.Unknown)),
  volumes: Schema.optionalKey(Schema.Array(Schema.Unknown)),
  depends_on: Schema.optionalKey(Schema.Record(Schema.String, Schema.Struct({ condition: Schema.String }))),
  healthcheck: Schema.Struct({ test: Schema.Array(Schema.String), interval: Schema.String, timeout: Schema.String }),
  restart: Schema.String,
  stop_grace_period: Schema.String
})
const Compose = Schema.Struct({
  services: Schema.Record(Schema.String, Service),
  volumes: Schema.Record(Schema.String, Schema.Unknown)
})
const decode = (text: string) => Schema.decodeUnknownSync(Compose)(parse(text, { merge: true }))

const text = read("docker-compose.yml")
const { services, volumes } = decode(text)
const names = ["devnet", "executor", "gateway", "nats", "notifier", "postgres", "projector"]
const ours = ["devnet", "executor", "gateway", "notifier", "projector"]
const settingOf = (service: string, name: string) =>
  services[service]?.environment[name]?.replace(/\$\{[A-Z0-9_]+:-([^}]*)\}/g, "$1")

const documented = new Set([...read(".env.example").matchAll(/^#([A-Z][A-Z0-9_]*)=/gm)].map(([, name = ""]) => name))

it("has every service, each with a health check, an end to its restarts and a time to stop", () => {
  assert.deepStrictEqual(Object.keys(services).toSorted(), names)
  for (const service of Object.values(services)) {
    assert.strictEqual(service.healthcheck.test[0], "CMD")
    assert.strictEqual(service.restart, "unless-stopped")
    assert.match(service.stop_grace_period, /^\d+s$/)
  }
})

it("takes every image by its version, or builds it", () => {
  for (const [name, service] of Object.entries(services)) {
    if (ours.includes(name)) {
      assert.deepStrictEqual(service.build, { context: ".", dockerfile: "deploy/docker/Dockerfile" })
      assert.deepStrictEqual(service.command, ["node", `services/${name}/src/main.ts`])
      assert.isTrue(existsSync(join(repository, `services/${name}/src/main.ts`)))
    } else assert.match(service.image, /^[a-z]+:\d[\w.-]*$/)
  }
  const bases = [...read("deploy/docker/Dockerfile").matchAll(/^FROM (\S+)/gm)].map(([, image]) => image)
  assert.lengthOf(bases, 2)
  for (const image of bases) assert.match(image ?? "", /^node:24\.\d+\.\d+-slim$/)
})

it("waits only for services that it has, until their health checks pass", () => {
  for (const service of Object.values(services)) {
    for (const [name, { condition }] of Object.entries(service.depends_on ?? {})) {
      assert.isDefined(services[name]?.healthcheck, name)
      assert.strictEqual(condition, "service_healthy")
    }
  }
})

it.each(["executor", "notifier"])("can run any number of containers of the %s", (name) => {
  const service = services[name]
  assert.isDefined(service)
  assert.isUndefined(service?.container_name)
  assert.isUndefined(service?.ports)
  // What executors share with gateways, all of them share.
  assert.deepStrictEqual(service?.volumes, name === "executor" ? ["staging:/data"] : undefined)
})

it("stages files in one folder for gateways and executors, and gives the secret of files to gateways only", () => {
  for (const name of ["gateway", "executor"]) {
    assert.deepStrictEqual(services[name]?.volumes, ["staging:/data"])
    assert.match(settingOf(name, "STAGING_DIR") ?? "", /^\/data\//)
  }
  const holders = Object.keys(services).filter((name) => settingOf(name, "FILE_ENCRYPTION_SECRET") !== undefined)
  assert.deepStrictEqual(holders, ["gateway"])
})

it("gives the master secret to gateways and notifiers only, and lets no webhook lead into its networks", () => {
  const holders = Object.keys(services).filter((name) => settingOf(name, "MASTER_SECRET") !== undefined)
  assert.sameMembers(holders, ["gateway", "notifier"])
  for (const name of holders) assert.isNull(services[name]?.environment["WEBHOOK_ALLOW_PRIVATE"])
})

it("opens one port, and that to this machine alone", () => {
  const ports = Object.entries(services).flatMap(([name, { ports = [] }]) => ports.map((port) => [name, port]))
  assert.deepStrictEqual(ports, [["gateway", "127.0.0.1:${PORT:-8000}:8000"]])
  assert.strictEqual(settingOf("gateway", "PORT"), "8000")
})

it("asks for health where the services answer", () => {
  const question = (name: string) => services[name]?.healthcheck.test.at(-1)
  for (const name of ["executor", "notifier", "projector"]) {
    assert.include(question(name), `http://127.0.0.1:${settingOf(name, "HEALTH_PORT")}/health/ready`)
  }
  assert.include(question("gateway"), `http://127.0.0.1:${settingOf("gateway", "PORT")}/health/ready`)
  assert.include(question("devnet"), `(${settingOf("devnet", "DEVNET_NODE_PORT")}, `)
  const [, httpPort] = /^http_port: (\d+)$/m.exec(read("deploy/docker/nats.conf")) ?? []
  assert.strictEqual(question("nats"), `http://127.0.0.1:${httpPort}/healthz`)
})

it("keeps what must outlive a container in volumes of its own", () => {
  assert.deepStrictEqual(Object.keys(volumes).toSorted(), ["devnet", "nats", "postgres", "staging"])
  for (const name of Object.keys(volumes)) {
    assert.isTrue(
      services[name === "staging" ? "gateway" : name]?.volumes?.some((volume) => `${volume}`.startsWith(`${name}:/`)),
      name
    )
  }
})

it("gives the private key to executors only, and the gateway the address that belongs to it", () => {
  const holders = Object.keys(services).filter((name) => settingOf(name, "AKAVE_PRIVATE_KEY") !== undefined)
  assert.deepStrictEqual(holders, ["executor"])
  const key = settingOf("executor", "AKAVE_PRIVATE_KEY") ?? ""
  assert.strictEqual(computeAddress(key), settingOf("gateway", "AKAVE_OWNER_ADDRESS"))
})

it("uses no setting that .env.example does not document", () => {
  const set = ours.flatMap((name) => Object.keys(services[name]?.environment ?? {}))
  const asked = [...text.matchAll(/\$\{([A-Z0-9_]+)/g)].map(([, name = ""]) => name)
  assert.deepStrictEqual([...set, ...asked].filter((name) => !documented.has(name)), [])
})

const sourceFiles = globSync("{services,shared}/*/src/**/*.ts", { cwd: repository })
const sources = sourceFiles.map(read).join("\n")

/** A setting's name is the last text in what is given to one of Config's readers, or to a function that wraps one. */
const settingsIn = (source: string): ReadonlyArray<string> =>
  [...source.matchAll(/(?<![.\w])(?:Config\.(?:schema|[A-Z]\w*)|optional|port)\(/g)].flatMap((call) => {
    const start = call.index + call[0].length
    let end = start
    for (let depth = 1; depth > 0 && end < source.length; end++) depth += ({ "(": 1, ")": -1 })[source[end] ?? ""] ?? 0
    return [...source.slice(start, end).matchAll(/"([A-Z][A-Z0-9_]*)"/g)].map(([, name = ""]) => name).slice(-1)
  })

/** Secrets are read from a variable or from the file that another one names. */
const secretsIn = (source: string): ReadonlyArray<string> =>
  [...source.matchAll(/SecretSetting\.\w+\("(\w+)"/g)].flatMap(([, name = ""]) => [name, `${name}_FILE`])

it("documents every setting that a service reads, in .env.example", () => {
  const settings = new Set(sourceFiles.flatMap((file) => [...settingsIn(read(file)), ...secretsIn(read(file))]))
  for (const known of ["NATS_URL", "CONFIRMATIONS", "DEVNET_BLOCK_TIME", "HEALTH_PORT", "HOST", "JWT_SECRET_FILE"]) {
    assert.isTrue(settings.has(known), known)
  }
  assert.deepStrictEqual([...settings].filter((name) => !documented.has(name)), [])
})

it("documents no setting that nothing reads", () => {
  const tools = ["deploy/local/src/*.ts", "loadtest/src/*.ts"].flatMap((pattern) =>
    globSync(pattern, { cwd: repository })
  )
  const readers = [sources, ...secretsIn(sources), text, ...tools.map(read)].join("\n")
  assert.deepStrictEqual([...documented].filter((name) => !new RegExp(`\\b${name}\\b`).test(readers)), [])
})

/** The first of Compose's two programs that is here; a `docker` without the plugin is not one. */
const tool = [["docker", "compose"], ["docker-compose"]].find(([program = "", ...args]) => {
  try {
    execFileSync(program, [...args, "version"], { stdio: "ignore", timeout: 30_000 })
    return true
  } catch {
    return false
  }
})

it("is accepted by Docker Compose, and resolves to the same services", ({ skip }) => {
  if (tool === undefined) {
    const reason = "Skipped: neither `docker compose` nor `docker-compose` is here to resolve docker-compose.yml."
    console.info(reason)
    return skip(reason)
  }
  const [program = "", ...args] = tool
  const unset = Object.entries(process.env).filter(([name]) => !documented.has(name) && !name.startsWith("COMPOSE_"))
  const output = execFileSync(program, [...args, "--env-file", ".env.example", "config"], {
    cwd: repository,
    encoding: "utf8",
    env: Object.fromEntries(unset),
    timeout: 60_000
  })
  // Everything is text here: an address need not be quoted, and is not a number.
  const resolved = parse(output, { schema: "failsafe" }).services
  assert.deepStrictEqual(Object.keys(resolved).toSorted(), names)
  for (const name of names) {
    assert.deepStrictEqual(resolved[name].healthcheck.test, services[name]?.healthcheck.test)
    assert.deepStrictEqual(resolved[name].command, services[name]?.command)
    const awaited = [resolved[name], services[name]].map((service) => Object.keys(service?.depends_on ?? {}).toSorted())
    assert.deepStrictEqual(awaited[0], awaited[1])
  }
  assert.notProperty(resolved.executor, "container_name")
  assert.notProperty(resolved.executor, "ports")
  assert.strictEqual(resolved.gateway.environment.AKAVE_OWNER_ADDRESS, settingOf("gateway", "AKAVE_OWNER_ADDRESS"))
  assert.strictEqual(resolved.nats.environment.NATS_SYNC_INTERVAL, "\"10s\"")
}, 90_000)
