/** Which methods each path answers. */
import { Api } from "@akave-async/api/Api"
import { HttpApi } from "effect/http-api"

interface Route {
  /** Of the path; one that begins with a colon stands for any. */
  readonly segments: ReadonlyArray<string>
  readonly method: string
}

const segmentsOf = (path: string): ReadonlyArray<string> => path.split("/").slice(1)

/** The paths that are served beside the API. */
const others = ["/", "/docs", "/openapi.json", "/asyncapi.json"].map((path): Route => ({
  segments: segmentsOf(path),
  method: "GET"
}))

const routes: ReadonlyArray<Route> = (() => {
  const found: Array<Route> = [...others]
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint: { method, path } }) => found.push({ segments: segmentsOf(path), method })
  })
  return found
})()

/** The methods that a path answers, as an `Allow` header has them; undefined where nothing is served. */
export const allowedAt = (url: string): string | undefined => {
  const path = segmentsOf(url.split("?", 1)[0] ?? "")
  const methods = new Set(
    routes.filter(({ segments }) =>
      segments.length === path.length && segments.every((segment, n) => segment.startsWith(":") || segment === path[n])
    ).map(({ method }) => method)
  )
  if (methods.size === 0) return undefined
  if (methods.has("GET")) methods.add("HEAD")
  return [...methods, "OPTIONS"].join(", ")
}
