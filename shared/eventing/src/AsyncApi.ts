/**
 * The AsyncAPI document of the event log (AsyncAPI 3.0.0): for each kind of aggregate a channel on NATS, with every event that
 * this release writes to it. It is made from the schemas by which the events are written.
 */
import { Schema } from "effect"
import type { Kind } from "./Kind.ts"

export interface Options {
  /** What all subjects of the log begin with. */
  readonly prefix: string
  /** Of this release. */
  readonly version: string
}

type Json = Readonly<Record<string, unknown>>

/** The CloudEvents attributes, as the NATS binary mode has them in headers. */
const headers = {
  type: "object",
  properties: {
    "ce-specversion": { const: "1.0" },
    "ce-id": { type: "string", description: "One fact has one id, however often it is written" },
    "ce-type": { type: "string" },
    "ce-source": { type: "string" },
    "ce-subject": { type: "string" },
    "ce-time": { type: "string", format: "date-time" },
    "ce-correlationid": { type: "string", format: "uuid", description: "The job that the event belongs to" },
    "ce-account": { type: "string", description: "The account that it is of" },
    "ce-causationid": { type: "string", description: "The event that it directly follows from" },
    traceparent: { type: "string", description: "W3C trace context of the request that began it" },
    "content-type": { const: "application/json" }
  },
  required: ["ce-specversion", "ce-id", "ce-type", "ce-source", "ce-subject", "ce-time", "content-type"]
}

const login = { $ref: "#/components/securitySchemes/login" }
const securitySchemes = {
  login: {
    type: "userPassword",
    description:
      "What the NATS server asks for: a user with a password, a token, an nkey or credentials; nothing by default"
  }
}

/** What is stored of an event: its fields without the tag, which is the type. */
const payloadOf = (schema: Schema.Top): Json => {
  const { properties, required, ...rest } = Schema.toJsonSchemaDocument(schema).schema as {
    readonly properties: Json
    readonly required: ReadonlyArray<string>
  }
  const { _tag: _, ...fields } = properties
  return { ...rest, properties: fields, required: required.filter((name) => name !== "_tag") }
}

const messagesOf = (kinds: ReadonlyArray<Kind>): Json =>
  Object.fromEntries(
    kinds.flatMap(({ schemas }) =>
      schemas.map(({ schema, type }) => [type, {
        name: type,
        title: type,
        contentType: "application/json",
        headers: { $ref: "#/components/schemas/CloudEvent" },
        payload: payloadOf(schema)
      }])
    )
  )

/** The document for these kinds. */
export const document = (kinds: ReadonlyArray<Kind>, { prefix, version }: Options): Json => ({
  asyncapi: "3.0.0",
  info: {
    title: "Akave Async Gateway: the event log",
    version,
    description:
      "All that happens to buckets and jobs, in one JetStream stream. Events are CloudEvents 1.0 in the NATS binary mode, in one order for all, and are never changed or removed. `GET /events` of the gateway has them as CloudEvents in the JSON format.",
    license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" }
  },
  defaultContentType: "application/json",
  servers: { nats: { host: "localhost:4222", protocol: "nats", description: "The NATS server that holds the log" } },
  channels: Object.fromEntries(kinds.map(({ name, schemas, tokens }) => [name, {
    address: [prefix, name, ...tokens.map((token) => `{${token}}`)].join("."),
    description: `One subject for each ${name.replaceAll("-", " ")}`,
    parameters: Object.fromEntries(tokens.map((token) => [token, {}])),
    messages: Object.fromEntries(schemas.map(({ type }) => [type, { $ref: `#/components/messages/${type}` }]))
  }])),
  operations: Object.fromEntries(kinds.map(({ name }) => [`${name}-events`, {
    action: "send",
    channel: { $ref: `#/channels/${name}` },
    security: [login],
    summary: `What happens to each ${name.replaceAll("-", " ")}`
  }])),
  components: { messages: messagesOf(kinds), securitySchemes, schemas: { CloudEvent: headers } }
})
