/**
 * Makes of the HTTP API's definition `src/Wire.ts`, what goes over the wire as types, the routes as a table and the methods of the
 * client that follow from them, and `src/Problems.ts`, an error class for each problem. As `node shared/client/generate.ts`.
 */
import { Api } from "@akave-async/api/Api"
import { type Json, objectAt } from "@akave-async/api/JsonObject"
import { OpenApi } from "effect/http-api"
import { writeFileSync } from "node:fs"
import { join } from "node:path"

/** Methods of the client that have another name than their route, which follows `group.endpoint`. */
const renamed: Readonly<Record<string, string>> = {
  "buckets.create": "buckets.submit",
  "buckets.createAll": "buckets.submitAll",
  "buckets.delete": "buckets.submitDelete",
  "files.delete": "files.submitDelete",
  "files.setAccess": "files.submitAccess",
  "files.requestDownload": "files.submitDownload",
  "caller.get": "account.get"
}
/** Routes that the client has methods of its own for. */
const left = new Set([
  "buckets.job",
  "downloads.get",
  "events.ofJob",
  "files.get",
  "files.upload",
  "files.uploadForm",
  "jobs.get"
])

const arrayAt = (value: unknown, key: string): ReadonlyArray<unknown> => {
  const found = objectAt(value)[key]
  return Array.isArray(found) ? found : []
}
const textAt = (value: unknown, key: string): string => String(objectAt(value)[key] ?? "")

const nameOf = (component: string) => component.replace(/Encoded$/, "Json")
const isProblem = (component: string) => component.endsWith("Encoded")

/** A JSON Schema as a type of TypeScript. */
const typeOf = (schema: unknown, indent: string): string => {
  const { $ref, anyOf, items, oneOf, properties, type, ...rest } = objectAt(schema)
  if (typeof $ref === "string") return nameOf($ref.slice($ref.lastIndexOf("/") + 1))
  const options = [anyOf, oneOf].find(Array.isArray)
  if (options !== undefined && properties === undefined) {
    return [...new Set(options.map((one) => typeOf(one, indent)))].join(" | ")
  }
  if (Array.isArray(rest["enum"])) return rest["enum"].map((one) => JSON.stringify(one)).join(" | ")
  switch (type) {
    case "array":
      return items === undefined ? "ReadonlyArray<unknown>" : `ReadonlyArray<${typeOf(items, indent)}>`
    case "object":
      return properties === undefined ? "Readonly<Record<string, unknown>>" : objectType(objectAt(schema), indent)
    case "integer":
    case "number":
      return "number"
    case "string":
    case "boolean":
    case "null":
      return type
    default:
      return "unknown"
  }
}

const comment = (text: string, indent: string) => text === "" ? "" : `${indent}/** ${text.replaceAll("*/", "* /")} */\n`

const objectType = (schema: Json, indent: string): string => {
  const required = arrayAt(schema, "required")
  const deeper = `${indent}  `
  const fields = Object.entries(objectAt(schema, "properties")).map(([name, property]) =>
    comment(textAt(property, "description"), deeper) +
    `${deeper}readonly ${name}${required.includes(name) ? "" : "?"}: ${typeOf(property, deeper)}\n`
  )
  return `{\n${fields.join("")}${indent}}`
}

interface Route {
  readonly group: string
  readonly name: string
  readonly method: string
  readonly path: string
  readonly summary: string
  readonly params: ReadonlyArray<{ readonly name: string; readonly type: string }>
  readonly query: string | undefined
  readonly body: { readonly type: string; readonly isOptional: boolean } | undefined
  /** Whether it takes an idempotency key. */
  readonly isKeyed: boolean
  /** Whether it takes the entity tag of what it is about. */
  readonly isConditional: boolean
  readonly result: string
  /** What its pages hold. */
  readonly items: string | undefined
}

const document = OpenApi.fromApi(Api) as unknown as Json
const components = objectAt(document, "components", "schemas")

const successOf = (operation: Json): unknown =>
  Object.entries(objectAt(operation, "responses")).filter(([status]) => status.startsWith("2")).map(([, answer]) =>
    objectAt(answer, "content", "application/json")["schema"]
  ).find((schema) => schema !== undefined)

/** The array that a page holds beside `next`. */
const itemsOf = (schema: unknown): string | undefined => {
  const properties = objectAt(components[typeOf(schema, "")], "properties")
  return "next" in properties ? Object.keys(properties).find((name) => name !== "next") : undefined
}

/** Whether a body may be left out: it may be an empty object. */
const isOptional = (schema: unknown) =>
  arrayAt(schema, "required").length === 0 && ["allOf", "anyOf", "oneOf"].every((key) => !(key in objectAt(schema)))

const routeOf = (path: string, method: string, operation: Json): Route | undefined => {
  const id = textAt(operation, "operationId")
  if (left.has(id)) return undefined
  const [group = "", name = ""] = (renamed[id] ?? id).split(".")
  const parameters = arrayAt(operation, "parameters").map((one) => objectAt(one))
  const query = parameters.filter((one) => one["in"] === "query")
  const body = objectAt(operation, "requestBody", "content", "application/json")["schema"]
  const bodyType = typeOf(body, "")
  const success = successOf(operation)
  return {
    group,
    name,
    method: method.toUpperCase(),
    path,
    summary: textAt(operation, "summary"),
    params: parameters.filter((one) => one["in"] === "path").map((one) => ({
      name: textAt(one, "name"),
      type: typeOf(one["schema"], "")
    })),
    query: query.length === 0
      ? undefined
      : objectType({
        properties: Object.fromEntries(query.map((one) => [textAt(one, "name"), one["schema"]])),
        required: query.filter((one) => one["required"] === true).map((one) => one["name"])
      }, "    "),
    body: body === undefined
      ? undefined
      : { type: bodyType, isOptional: isOptional(components[bodyType]) },
    isKeyed: parameters.some((one) => one["name"] === "idempotency-key"),
    isConditional: parameters.some((one) => one["name"] === "if-match"),
    result: success === undefined ? "void" : typeOf(success, ""),
    items: itemsOf(success)
  }
}

const routes = Object.entries(objectAt(document, "paths")).flatMap(([path, methods]) =>
  Object.entries(objectAt(methods)).flatMap(([method, operation]) => routeOf(path, method, objectAt(operation)) ?? [])
)
const groups = [...new Set(routes.map(({ group }) => group))].toSorted()
const of = (group: string) => routes.filter((route) => route.group === group)

/** Of problems only those that are a part of an answer. */
const isShown = (component: string) =>
  !isProblem(component) ||
  Object.entries(components).some(([name, schema]) =>
    !isProblem(name) && JSON.stringify(schema).includes(`/${component}"`)
  )
const interfaces = Object.entries(components).filter(([component]) => isShown(component)).map(([component, schema]) =>
  comment(textAt(schema, "description"), "") +
  (objectAt(schema)["type"] === "object"
    ? `export interface ${nameOf(component)} ${objectType(objectAt(schema), "")}\n`
    : `export type ${nameOf(component)} = ${typeOf(schema, "")}\n`)
)

const ofEveryProblem = new Set(["detail", "instance", "code", "type", "status", "title"])
const problems = Object.entries(components).filter(([component]) => isProblem(component)).map(([component, schema]) => {
  const properties = objectAt(schema, "properties")
  const only = (name: string) => arrayAt(properties[name], "enum")[0]
  const fields = Object.entries(properties).filter(([name]) => !ofEveryProblem.has(name))
  return {
    name: component.replace(/Encoded$/, ""),
    code: String(only("code")),
    title: String(only("title")),
    fields: fields.map(([name, property]) => `  declare readonly ${name}: ${typeOf(property, "  ")}\n`)
  }
}).toSorted((a, b) => a.code < b.code ? -1 : 1)

const methodOf = ({ body, items, name, params, query, result, summary }: Route) => {
  const args = [
    ...params.map(({ name, type }) => `${name}: ${type}`),
    ...(body === undefined ? [] : [`body${body.isOptional ? "?" : ""}: ${body.type}`]),
    ...(query === undefined ? [] : [`query?: ${query}`]),
    "options?: CallOptions"
  ]
  const answer = items === undefined
    ? `Promise<${result}>`
    : `AsyncIterable<${result}["${items}"][number]>`
  return `${comment(summary, "    ")}    ${name}(${args.join(", ")}): ${answer}\n`
}

const rowOf = ({ body, isConditional, isKeyed, items, method, name, params, path, query }: Route) => {
  const row = {
    method,
    path,
    params: params.map(({ name }) => name),
    ...(body === undefined ? {} : { hasBody: true }),
    ...(query === undefined ? {} : { hasQuery: true }),
    ...(isKeyed ? { isKeyed } : {}),
    ...(isConditional ? { isConditional } : {}),
    ...(items === undefined ? {} : { items })
  }
  return `    ${name}: ${JSON.stringify(row)},\n`
}

const head = "Made from the definition of the HTTP API by `node shared/client/generate.ts`: change that, and run this."

const wire = `// oxlint-disable max-lines -- all that goes over the wire
/** ${head} */
import type { CallOptions } from "./CallOptions.ts"
import type { Route } from "./Route.ts"

/** The version of the API's definition. */
export const version = ${JSON.stringify(textAt(document["info"], "version"))}

${interfaces.join("\n")}
/** The methods that follow from the routes, by group. */
export interface Methods {
${groups.map((group) => `  readonly ${group}: {\n${of(group).map(methodOf).join("")}  }\n`).join("")}}

/** How each of these methods is asked for. */
export const routes: { readonly [Group in keyof Methods]: { readonly [Name in keyof Methods[Group]]: Route } } = {
${groups.map((group) => `  ${group}: {\n${of(group).map(rowOf).join("")}  },\n`).join("")}}
`

const errors = `// oxlint-disable max-lines -- every problem of the API
/** ${head} */
import { Problem } from "./Errors.ts"

${
  problems.map(({ code, fields, name, title }) =>
    `/** ${title}. */
export class ${name} extends Problem {
  override readonly _tag = "${name}" as const
  declare readonly code: "${code}"
${fields.join("")}}
`
  ).join("\n")
}
/** The error class of each problem, by its code. */
export const problems = {
${problems.map(({ code, name }) => `  ${code}: ${name}`).join(",\n")}
}
export type ApiProblem = InstanceType<typeof problems[keyof typeof problems]>
`

/** The text of each file, without its format. */
export const files: ReadonlyArray<readonly [file: string, text: string]> = [
  [join(import.meta.dirname, "src/Wire.ts"), wire],
  [join(import.meta.dirname, "src/Problems.ts"), errors]
]

if (import.meta.main) { for (const [file, text] of files) writeFileSync(file, text) }
