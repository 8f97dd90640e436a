/** Which routes there are, and which methods each path answers. */
import { Api } from "@akave-async/api/Api"
import { templateOf } from "@akave-async/api/Document"
import { HttpApi } from "effect/http-api"
import * as FilePaths from "./FilePaths.ts"

interface Route {
  /** As OpenTelemetry names it, with `{name}` for what stands for any segment. */
  readonly template: string
  /** Of the path; one that begins with a colon stands for any. */
  readonly segments: ReadonlyArray<string>
  readonly method: string
}

const routeOf = (path: string, method: string): Route => ({
  template: templateOf(path),
  segments: segmentsOf(templateOf(path).replaceAll(/\{\w+\}/g, ":")),
  method
})
const segmentsOf = (path: string): ReadonlyArray<string> => path.split("/").slice(1)

/** The paths that are served beside the API. */
const others = ["/", "/docs", "/openapi.json", "/asyncapi.json"].map((path) => routeOf(path, "GET"))

const routes: ReadonlyArray<Route> = (() => {
  const found: Array<Route> = [...others]
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint: { method, path } }) => found.push(routeOf(path, method))
  })
  return found
})()

/** All that is served, as `GET /jobs/{job_id}`. */
export const endpoints: ReadonlyArray<string> = routes.map(({ method, template }) => `${method} ${template}`)

/** The routes that a path is of, by how many segments they have: few are looked at for each request. */
const byLength = Map.groupBy(routes, ({ segments }) => segments.length)
const routesAt = (url: string, method: string): ReadonlyArray<Route> => {
  const path = segmentsOf(FilePaths.inOneSegment(url, method).split("?", 1)[0] ?? "")
  return byLength.get(path.length)?.filter(({ segments }) =>
    segments.every((segment, n) => segment.startsWith(":") || segment === path[n])
  ) ?? []
}

/** The template of the route that a path is of, such as `/jobs/{job_id}`; undefined where nothing is served. */
export const templateAt = (url: string, method: string): string | undefined => {
  const found = routesAt(url, method)
  // One that names its segments comes before one for any.
  return (found.find(({ template }) => !template.includes("{")) ?? found[0])?.template
}

/** The methods that a path answers, as an `Allow` header has them; undefined where nothing is served. */
export const allowedAt = (url: string, method: string): string | undefined => {
  const methods = new Set(routesAt(url, method).map(({ method }) => method))
  if (methods.size === 0) return undefined
  if (methods.has("GET")) methods.add("HEAD")
  return [...methods, "OPTIONS"].join(", ")
}
