import { assert, it } from "@effect/vitest"
import { Schema } from "effect"
import { OpenApi } from "effect/http-api"
import { Api } from "../src/Api.ts"

const Shown = Schema.Struct({
  operation: Schema.optionalKey(Schema.String),
  status: Schema.optionalKey(Schema.Union([Schema.String, Schema.Int])),
  code: Schema.optionalKey(Schema.String)
})
const Body = Schema.Struct({
  content: Schema.optionalKey(
    Schema.Record(
      Schema.String,
      Schema.Struct({
        examples: Schema.Record(Schema.String, Schema.Struct({ value: Schema.Union([Shown, Schema.String]) }))
      })
    )
  )
})
const Document = Schema.Struct({
  paths: Schema.Record(
    Schema.String,
    Schema.Record(
      Schema.String,
      Schema.Struct({
        operationId: Schema.String,
        requestBody: Schema.optionalKey(Body),
        responses: Schema.Record(Schema.String, Body)
      })
    )
  )
})

const { paths } = Schema.decodeUnknownSync(Document)(OpenApi.fromApi(Api))
const bodies = Object.values(paths).flatMap((operations) =>
  Object.values(operations).flatMap(({ operationId, requestBody, responses }) =>
    Object.entries({ ...responses, ...requestBody === undefined ? {} : { request: requestBody } })
      .flatMap(([status, { content = {} }]) =>
        Object.values(content).map(({ examples }) => ({ operationId, status, examples }))
      )
  )
)

it("every body of the API has an example, of its own status if it is a problem", () => {
  assert.isAbove(bodies.length, 50)
  for (const { examples, operationId, status } of bodies) {
    assert.isNotEmpty(Object.keys(examples), `${operationId} ${status}`)
    for (const [name, { value }] of Object.entries(examples)) {
      if (typeof value !== "string" && value.code !== undefined) {
        assert.deepInclude(value, { code: name, status: Number(status) })
      }
    }
  }
})

it("a job's examples are in the state that the operation leaves it in", () => {
  const shown = (operationId: string, status: string) =>
    Object.values(bodies.find((body) => body.operationId === operationId && body.status === status)?.examples ?? {})
      .map(({ value }) => typeof value === "string" ? value : `${value.operation} ${value.status}`)
  assert.deepStrictEqual(shown("buckets.create", "202"), ["bucket.create queued"])
  assert.deepStrictEqual(shown("buckets.delete", "202"), ["bucket.delete queued"])
  assert.deepStrictEqual(shown("jobs.cancel", "200"), ["bucket.create cancelled"])
  assert.deepStrictEqual(shown("jobs.get", "200"), [
    "bucket.create completed",
    "bucket.create queued",
    "bucket.delete failed"
  ])
})
