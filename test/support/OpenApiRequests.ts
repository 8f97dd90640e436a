/** Requests that are made from an OpenAPI document, and answers that are held against it. */
import addFormats from "ajv-formats"
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js"
import * as fc from "fast-check"

// oxlint-disable-next-line typescript/no-explicit-any -- JSON of any shape
type Json = any

export interface Request {
  /** The operation by its method and its path in the document. */
  readonly operation: string
  readonly method: string
  /** With its query, as it is sent. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}
export interface Answer {
  readonly status: number
  readonly contentType: string | undefined
  readonly body: string
}

export interface Document {
  /** Each operation that the document declares, with requests for it that it allows. */
  readonly allowed: ReadonlyArray<{ readonly operation: string; readonly requests: fc.Arbitrary<Request> }>
  /** What of an answer to an operation the document does not declare; nothing where all of it is declared. */
  readonly complaints: (operation: string, answer: Answer) => ReadonlyArray<string>
}

const [form, boundary] = ["multipart/form-data", "requests-of-openapi"]
const isText = (text: string): boolean => /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text)

export const read = (document: Json): Document => {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema(document, "openapi.json")
  const compiled = new Map<string, ValidateFunction>()
  const validator = (schema: Json): ValidateFunction => {
    const key = JSON.stringify(schema)
    const known = compiled.get(key)
    if (known !== undefined) return known
    const made = ajv.compile(JSON.parse(key.replaceAll("\"#/components", "\"openapi.json#/components")))
    compiled.set(key, made)
    return made
  }
  const resolve = (schema: Json): Json =>
    schema.$ref === undefined ? schema : document.components.schemas[schema.$ref.split("/").at(-1)]

  const valuesOf = (unresolved: Json): fc.Arbitrary<unknown> => {
    const schema = resolve(unresolved)
    return rawValuesOf(schema).filter((value) => validator(schema)(value) === true)
  }
  const rawValuesOf = (schema: Json): fc.Arbitrary<unknown> => {
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
    if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(valuesOf))
    switch (schema.type) {
      case "string":
        if (schema.format === "uuid") return fc.uuid({ version: 7 })
        if (schema.format === "date-time") {
          return fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((date) =>
            date.toISOString()
          )
        }
        return schema.pattern === undefined
          ? fc.string({ unit: "grapheme", minLength: schema.minLength ?? 0 })
          : fc.stringMatching(new RegExp(schema.pattern, "u"))
      case "integer":
        return fc.integer({
          min: Math.max(schema.minimum ?? (schema.exclusiveMinimum ?? -1) + 1, Number.MIN_SAFE_INTEGER),
          max: schema.maximum ?? Number.MAX_SAFE_INTEGER
        })
      case "boolean":
        return fc.boolean()
      case "array":
        return fc.array(valuesOf(schema.items), {
          minLength: schema.minItems ?? 0,
          maxLength: Math.min(schema.maxItems ?? 5, 5)
        })
      case "object":
        return fc.record(
          Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, one]) => [name, valuesOf(one)])),
          { requiredKeys: [...schema.required ?? []] as Array<never> }
        )
      default:
        return fc.jsonValue()
    }
  }

  const operations = Object.entries<Json>(document.paths).flatMap(([path, item]) =>
    Object.entries<Json>(item).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation }))
  )
  const bodiesOf = (type: string, { schema }: Json): fc.Arbitrary<string> => {
    switch (type) {
      case "application/json":
        return valuesOf(schema).map((value) => JSON.stringify(value))
      case form:
        return fc.string({ unit: "grapheme-ascii", minLength: 1 }).map((text) =>
          `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n${text}\r\n--${boundary}--\r\n`
        )
      default:
        return fc.string({ unit: "grapheme", minLength: 1 })
    }
  }
  const requestsOf = ({ method, operation, path }: typeof operations[number]): fc.Arbitrary<Request> => {
    const parameters: ReadonlyArray<Json> = operation.parameters ?? []
    const ofPlace = (place: string) =>
      fc.record(
        Object.fromEntries(
          parameters.filter((one) => one.in === place).map((one) => {
            const texts = valuesOf(one.schema).map(String)
            return [one.name, place === "header" ? texts.filter(isText) : texts]
          })
        ),
        {
          requiredKeys: parameters.filter((one) => one.in === place && one.required).map(({ name }) => name) as Array<
            never
          >
        }
      )
    const [type, media] = Object.entries<Json>(operation.requestBody?.content ?? {})[0] ?? []
    return fc.record({
      path: ofPlace("path"),
      query: ofPlace("query"),
      headers: ofPlace("header"),
      body: type === undefined ? fc.constant(undefined) : bodiesOf(type, media)
    }).map(({ body, headers, path: values, query }) => {
      const filled = path.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String((values as Json)[name])))
      const search = new URLSearchParams(query as Record<string, string>).toString()
      return {
        operation: `${method} ${path}`,
        method,
        path: search === "" ? filled : `${filled}?${search}`,
        headers: {
          ...headers as Record<string, string>,
          ...(body === undefined || type === undefined
            ? {}
            : { "content-type": type === form ? `${form}; boundary=${boundary}` : type })
        },
        body
      }
    })
  }

  return {
    allowed: operations.map((one) => ({ operation: `${one.method} ${one.path}`, requests: requestsOf(one) })),
    complaints: (operation, { body, contentType, status }) => {
      const [method = "", path = ""] = operation.split(" ")
      const response = document.paths[path][method.toLowerCase()].responses[status]
      if (response === undefined) return [`${status} is not declared: ${body.slice(0, 300)}`]
      if (response.content === undefined) return body === "" ? [] : [`${status} has a body`]
      const media = response.content[contentType?.split(";")[0] ?? ""]
      if (media === undefined) return [`${status} as ${contentType} is not declared`]
      if (media.schema.type === "string") return []
      const validate = validator(media.schema)
      return validate(JSON.parse(body)) ? [] : [`${status}: ${ajv.errorsText(validate.errors)}: ${body.slice(0, 300)}`]
    }
  }
}
