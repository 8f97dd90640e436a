import { defineConfig } from "vitest/config"

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
          name: "system",
          include: ["test/system/**/*.test.ts"],
          exclude: ["**/node_modules/**"],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false
        }
      }
    ]
  }
})
