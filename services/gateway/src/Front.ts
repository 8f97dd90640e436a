/** Where to go on from `GET /`. */
import { Effect } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"

const links = {
  docs: "/docs",
  openapi: "/openapi.json",
  asyncapi: "/asyncapi.json",
  health: "/health",
  ready: "/health/ready"
}
const front = HttpServerResponse.html(`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Akave Async Gateway</title>
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <style>body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }</style>
  </head>
  <body>
    <h1>Akave Async Gateway</h1>
    <ul>
      <li><a href="${links.docs}">The API</a>, with every route, body and problem</li>
      <li><a href="${links.openapi}">The same as OpenAPI 3.1</a></li>
      <li><a href="${links.asyncapi}">The events</a>, as AsyncAPI 3</li>
      <li><a href="${links.ready}">Whether its parts are there</a>, and <a href="${links.health}">whether it runs</a></li>
    </ul>
    <p>The guide to it is <code>docs/http-api.md</code> in the repository.</p>
  </body>
</html>
`)
const frontJson = HttpServerResponse.jsonUnsafe({
  name: "Akave Async Gateway",
  ...links,
  guide: "docs/http-api.md in the repository"
})

/** Where to go on from here: a page for browsers, the same as JSON for others. */
export const Front = HttpRouter.add("GET", "/", (request) =>
  Effect.succeed(
    HttpServerResponse.setHeader(
      request.headers["accept"]?.includes("text/html") === true ? front : frontJson,
      "vary",
      "accept"
    )
  ))
