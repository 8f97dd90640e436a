import { assert, describe, it } from "@effect/vitest"
import { createConfig, lintFromString } from "@redocly/openapi-core"
import * as AsyncApi from "../src/AsyncApi.ts"
import { kinds } from "../src/Registry.ts"

const document = AsyncApi.document(kinds, { prefix: "akave.events", version: "0.1.0" })
const problemsOf = async (document: unknown) => {
  const config = await createConfig({ extends: ["recommended-strict"] })
  const problems = await lintFromString({ source: JSON.stringify(document), config })
  return problems.map(({ location, message, ruleId }) => `${ruleId}: ${message} ${location[0]?.pointer}`)
}

describe("the AsyncAPI document", () => {
  it("is found without fault by the strictest rules of Redocly's linter, which finds the faults of others", async () => {
    assert.deepStrictEqual(await problemsOf(document), [])
    assert.isNotEmpty(await problemsOf({ ...document, channels: { bucket: { adress: "a" } } }))
    assert.isNotEmpty(
      await problemsOf({ ...document, operations: { x: { action: "tell", channel: { $ref: "#/channels/x" } } } })
    )
  })

  it("has a message for every type that is written, on the channel of its kind", () => {
    const { channels, components } = document as {
      readonly channels: Readonly<Record<string, { readonly address: string; readonly messages: object }>>
      readonly components: { readonly messages: Readonly<Record<string, { readonly payload: Record<string, object> }>> }
    }
    for (const { name, types } of kinds) assert.deepStrictEqual(Object.keys(channels[name]?.messages ?? {}), types)
    assert.strictEqual(channels["bucket"]?.address, "akave.events.bucket.{owner}.{bucket}")
    const { payload } = components.messages["akave.BucketRequested.v1"] ?? assert.fail("no such message")
    assert.notProperty(payload["properties"], "_tag")
    assert.includeMembers([...payload["required"] as Array<string>], ["jobId", "name", "owner", "occurredAt"])
  })
})
