/** The OpenAPI document states what the server enforces, and a linter finds nothing wrong with it. */
import { BucketName } from "@akave-async/domain/BucketName"
import { assert, describe, it } from "@effect/vitest"
import { createConfig, lintFromString } from "@redocly/openapi-core"
import { Arbitrary, Schema } from "effect"
import { OpenApi } from "effect/http-api"
import { Api } from "../src/Api.ts"

const document = OpenApi.fromApi(Api)
const methods = ["get", "post", "put", "patch", "delete"] as const
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  methods.flatMap((method) => {
    const operation = item[method]
    return operation === undefined ? [] : [{ name: `${method.toUpperCase()} ${path}`, operation }]
  })
)

/** A bucket may be named `jobs`: its files are told apart from a job by the word `files`, which is no id. */
const apart = "`/buckets/jobs/{job_id}` and `/buckets/{name}/files`"

it("is found without fault by the strictest rules of Redocly's linter", async () => {
  const config = await createConfig({ extends: ["recommended-strict"] })
  const problems = await lintFromString({ source: JSON.stringify(document), config })
  const others = problems.filter(({ message }) => !message.includes(apart))
  assert.deepStrictEqual(others.map(({ message, ruleId }) => `${ruleId}: ${message}`), [])
})

describe.each(operations)("$name", ({ operation }) => {
  it("has a summary and a description, and so have its answers", () => {
    for (const text of [operation.summary, operation.description]) assert.match(String(text), /^[A-Z].{10,}/)
    for (const { description } of Object.values(operation.responses)) assert.match(description, /^\w.+/)
  })

  it("states the bounds of its numbers", () => {
    for (const { name, ...parameter } of operation.parameters ?? []) {
      const schema: Readonly<Record<string, unknown>> = { ...parameter.schema }
      if (schema["type"] !== "integer") continue
      assert.isTrue("minimum" in schema || "exclusiveMinimum" in schema, name)
      assert.property(schema, "maximum", name)
    }
  })
})

/** What the document states of a text. */
const isStated = (text: string): boolean => {
  const check = (schema: Record<string, unknown>): boolean =>
    Object.entries(schema).every(([keyword, value]) => {
      switch (keyword) {
        case "type":
          return value === "string"
        case "minLength":
          return [...text].length >= Number(value)
        case "maxLength":
          return [...text].length <= Number(value)
        case "pattern":
          return new RegExp(String(value), "u").test(text)
        case "not":
          return !check(value as Record<string, unknown>)
        case "allOf":
          return (value as ReadonlyArray<Record<string, unknown>>).every(check)
        default:
          throw new Error(`the keyword ${keyword} is not checked here`)
      }
    })
  const [name] = document.paths["/buckets/{name}"]?.get?.parameters ?? []
  return check(name?.schema as Record<string, unknown>)
}

describe("the rules of a bucket's name", () => {
  it.each(["abc", "a.b-c", "a".repeat(63), "1.2.3", "1.2.3.4.5", "999.1.1.a"])("take %s", (name) => {
    assert.deepStrictEqual([isStated(name), Schema.is(BucketName)(name)], [true, true])
  })
  it.each(["", "ab", "a".repeat(64), "Abc", "-abc", "abc-", ".abc", "a..b", "1.2.3.4", "a_b", "\u{1F600}\u{1F600}"])(
    "refuse %j",
    (name) => {
      assert.deepStrictEqual([isStated(name), Schema.is(BucketName)(name)], [false, false])
    }
  )
  it.prop(
    "are the same in the document and in the server",
    [Arbitrary.schema(Schema.String), BucketName],
    ([any, name]) => {
      assert.strictEqual(isStated(any), Schema.is(BucketName)(any))
      assert.isTrue(isStated(name))
    }
  )
})
