/** The OpenAPI document of the API: what Effect derives from the definition, with what it leaves out. */
import { Schema } from "effect"
import { HttpApi, type HttpApiEndpoint, type HttpApiGroup } from "effect/http-api"
import { Identification } from "./Caller.ts"
import * as Examples from "./Examples.ts"
import { isObject, type Json, objectAt } from "./JsonObject.ts"

const eventStream = {
  type: "string",
  description: "Server-Sent Events: `id` is the sequence of an event, and `data` is the event as JSON"
}

/** Of each parameter what it is once it is read: a number with its bounds, where the derived schema is a text of digits. */
const typesOf = ({ headers, params, query }: HttpApiEndpoint.Top): Readonly<Record<string, Json>> => {
  const propertiesOf = (schema: Schema.Top | undefined) =>
    schema === undefined ? {} : objectAt(Schema.toJsonSchemaDocument(Schema.toType(schema)).schema, "properties")
  return { path: propertiesOf(params), query: propertiesOf(query), header: propertiesOf(headers) }
}

/** Times have no type of their own in JSON. */
const times = new Set(["since", "until"])

const completeParameter = (types: Readonly<Record<string, Json>>) => (parameter: unknown): unknown => {
  const { in: place, name, schema, ...rest } = objectAt(parameter)
  const { description, ...type } = objectAt(types[String(place)], String(name))
  const isTyped = type["type"] === "integer"
  return {
    name,
    in: place,
    ...rest,
    ...(typeof description === "string" ? { description } : {}),
    schema: times.has(String(name)) ? { type: "string", format: "date-time" } : isTyped ? type : schema
  }
}

/** What an `Accept` header chooses is declared by the media types of the answers. */
const isNegotiation = (parameter: unknown): boolean => objectAt(parameter)["name"] === "accept"

/** The ways to sign in, as OpenAPI declares them: each is one of these, or all parts of a signature. */
const securitySchemes = {
  apiKey: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "aag_sk_…",
    description: "The secret of a key of an account"
  },
  token: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "A JSON Web Token of the identity provider that the gateway's operator has named"
  },
  signer: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "aag_pk_…",
    description: "The public name of the key that the request is signed with"
  },
  timestamp: {
    type: "apiKey",
    in: "header",
    name: "X-Timestamp",
    description: "When it was signed, as Unix time in seconds; at most 300 s from the gateway's time"
  },
  signature: {
    type: "apiKey",
    in: "header",
    name: "X-Signature",
    description:
      "HMAC-SHA256 by the secret over `timestamp:METHOD:path:body`, in 64 hex digits; the path with its query"
  }
}
const security = [{ apiKey: [] }, { token: [] }, { signer: [], timestamp: [], signature: [] }]

/** Has the schemas say of every property that is a time, by its name, that it is one: JSON has no type for it. */
const markTimes = (document: Record<string, unknown>): void => {
  for (const schema of Object.values(objectAt(document, "components", "schemas"))) {
    for (const [name, property] of Object.entries(objectAt(schema, "properties"))) {
      if (!/_(at|since|until)$/.test(name)) continue
      const { anyOf } = objectAt(property)
      const text = (Array.isArray(anyOf) ? anyOf : [property]).find((one) => objectAt(one)["type"] === "string")
      if (isObject(text)) Object.assign(text, { format: "date-time" })
    }
  }
}

/** Removes the schemas that nothing refers to: what a stream carries is text in the document. */
const removeUnused = (document: Record<string, unknown>): void => {
  const schemas = objectAt(document, "components", "schemas")
  const text = JSON.stringify(document)
  const unused = Object.keys(schemas).filter((name) => !text.includes(`"#/components/schemas/${name}"`))
  for (const name of unused) Reflect.deleteProperty(schemas, name)
  // What they alone referred to is unused in turn.
  if (unused.length > 0) removeUnused(document)
}

/** A route's path as OpenAPI has it: what a parameter must look like is left out. */
export const templateOf = (path: string): string => path.replaceAll(/:(\w+)(?:\(.*\))?/g, "{$1}")

/** The paths as {@link templateOf} gives them. */
const nameParameters = (document: Record<string, unknown>): void => {
  const paths = objectAt(document, "paths") as Record<string, unknown>
  for (const [path, methods] of Object.entries(paths)) {
    Reflect.deleteProperty(paths, path)
    paths[path.replace(/(\{\w+\})\(.*\)$/, "$1")] = methods
  }
}

/** The bodies that are no JSON. */
const bytes = {
  description: "The file, as it is",
  required: true,
  content: {
    "application/octet-stream": {
      schema: { type: "string", format: "binary" }
    }
  }
}
const form = {
  description: "A form with one file, as browsers send it",
  required: true,
  content: {
    "multipart/form-data": {
      schema: {
        type: "object",
        properties: { file_name: { type: "string" }, file: { type: "string", format: "binary" } },
        required: ["file"]
      }
    }
  }
}
const addFileBodies = (document: Record<string, unknown>): void => {
  Object.assign(objectAt(document, "paths", "/buckets/{name}/files/{file_name}", "put"), { requestBody: bytes })
  Object.assign(objectAt(document, "paths", "/buckets/{name}/files", "post"), { requestBody: form })
}

/** Completes a document in place, and gives it back. */
export const complete = <Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<string, Groups>,
  document: Record<string, unknown>
): Record<string, unknown> => {
  nameParameters(document)
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => {
      const path = templateOf(endpoint.path)
      const operation = objectAt(document, "paths", path, endpoint.method.toLowerCase())
      const { parameters } = operation
      if (Array.isArray(parameters)) {
        Object.assign(operation, {
          parameters: parameters.filter((one) => !isNegotiation(one)).map(completeParameter(typesOf(endpoint)))
        })
      }
      // Whoever can reach it may know whether the gateway is well.
      Object.assign(operation, { security: endpoint.middlewares.has(Identification) ? security : [] })
      Object.assign(objectAt(operation, "responses"), {
        "431": { description: "The header fields are larger than 16 KiB" }
      })
      for (const response of Object.values(objectAt(operation, "responses"))) {
        const content = objectAt(response, "content")
        if (isObject(content["text/event-stream"])) {
          Object.assign(content, { "text/event-stream": { schema: eventStream } })
        }
      }
    }
  })
  addFileBodies(document)
  Object.assign(objectAt(document, "components"), { securitySchemes })
  markTimes(document)
  removeUnused(document)
  return Examples.add(document)
}
