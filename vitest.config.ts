import { readFileSync } from "node:fs"
import { defineConfig } from "vitest/config"
import * as Environment from "./deploy/local/src/Environment.mjs"

// Workers get the environment of this process.
const settings = Environment.settingsIn(readFileSync(new URL(".env.example", import.meta.url), "utf8"))
const environment = Environment.forTests(process.env, settings)
for (const name of Object.keys(process.env)) if (!Object.hasOwn(environment, name)) delete process.env[name]
Object.assign(process.env, environment)

/** System tests that wait more than they work: two of them at a time fit on two cores, as those that load and measure don't. */
const inPairs = `test/system/{${
  [
    "Accounts",
    "Adoption",
    "Api",
    "Attacks",
    "AuditAndRecovery",
    "Client",
    "CommandLine",
    "CrashPoints",
    "DeadLetters",
    "Deletion",
    "Diagnosis",
    "Examples",
    "Exposure",
    "Failures",
    "FileAccounts",
    "FileRequests",
    "FilesClient",
    "FilesCommandLine",
    "FilesHttp",
    "Fuzz",
    "IdempotencyKeys",
    "Isolation",
    "LiveUpdates",
    "LostLog",
    "Parts",
    "Pause",
    "Providers",
    "Traces",
    "Upgrade",
    "UploadCrashes",
    "Uploads",
    "Wallets",
    "WebSocket",
    "Webhooks"
  ].join(",")
}}.test.ts`

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "{services,shared,deploy}/*/test/**/*.test.ts",
            "{loadtest,proto}/test/**/*.test.ts",
            "test/unit/**/*.test.ts"
          ],
          exclude: ["**/*.integration.test.ts", "**/node_modules/**"],
          testTimeout: 30_000,
          maxWorkers: "100%"
        }
      },
      {
        test: {
          name: "integration",
          globalSetup: ["deploy/local/src/vitestGlobalSetup.ts"],
          include: ["{services,shared,deploy}/*/test/**/*.integration.test.ts", "test/integration/**/*.test.ts"],
          exclude: ["**/node_modules/**"],
          maxWorkers: "100%",
          testTimeout: 60_000,
          hookTimeout: 120_000
        }
      },
      {
        test: {
          name: "pairs",
          include: [inPairs],
          maxWorkers: 2,
          testTimeout: 180_000,
          hookTimeout: 180_000
        }
      },
      {
        test: {
          name: "system",
          include: ["test/system/**/*.test.ts"],
          exclude: ["**/node_modules/**", inPairs],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false
        }
      }
    ]
  }
})
