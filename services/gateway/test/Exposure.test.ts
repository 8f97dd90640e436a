import { assert, describe, it } from "@effect/vitest"
import { isLoopback } from "../src/Exposure.ts"

describe("an address", () => {
  it.each(["127.0.0.1", "127.8.9.10", "::1", "localhost"])("such as %s is this machine's alone", (host) => {
    assert.isTrue(isLoopback(host))
  })
  it.each(["0.0.0.0", "::", "192.168.0.1", "127.0.0.1.example.org", "localhost.example.org", "::ffff:10.0.0.1", ""])(
    "such as %j is not",
    (host) => {
      assert.isFalse(isLoopback(host))
    }
  )
})
