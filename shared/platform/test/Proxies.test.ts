import { assert, it } from "@effect/vitest"
import * as Proxies from "../src/Proxies.ts"

it("leaves an environment alone that names no proxy", () => {
  const env = { NO_PROXY: "example.org" }
  Proxies.exceptLoopback(env)
  assert.deepStrictEqual(env, { NO_PROXY: "example.org" })
})

it("never sends to a proxy what is on this machine or what NO_PROXY names, in either case and with blanks", () => {
  const env: NodeJS.ProcessEnv = { HTTPS_PROXY: "http://proxy:3128", NO_PROXY: "example.org, *.inside," }
  Proxies.exceptLoopback(env)
  assert.strictEqual(env["no_proxy"], "example.org,*.inside,localhost,127.0.0.1,::1,[::1]")
  assert.strictEqual(env["NO_PROXY"], env["no_proxy"])
  assert.strictEqual(env["grpc_proxy"], "http://proxy:3128")
  assert.strictEqual(env["no_grpc_proxy"], "example.org,.inside,localhost,127.0.0.0/8,::1")
})

it("keeps what is said for gRPC alone", () => {
  const env: NodeJS.ProcessEnv = { http_proxy: "http://a", grpc_proxy: "http://b", no_grpc_proxy: "c", no_proxy: "d" }
  Proxies.exceptLoopback(env)
  assert.strictEqual(env["grpc_proxy"], "http://b")
  assert.match(env["no_grpc_proxy"] ?? "", /^c,localhost,/)
})
