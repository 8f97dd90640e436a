/** Requests at random, made from the OpenAPI document, and what is left of it when they are spoilt. */
import type * as Stack from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { Agent, request } from "node:http"
import { beforeAll } from "vitest"
import * as Accounts from "../support/Accounts.ts"
import { eventually } from "../support/Gateway.ts"
import * as OpenApiRequests from "../support/OpenApiRequests.ts"
import * as SharedStack from "../support/SharedStack.ts"

const masterSecret = Accounts.newMasterSecret()
let stack: Stack.Stack
SharedStack.use({ counts: { executor: 0 }, env: { gateway: { MASTER_SECRET: masterSecret } } }, (started) => {
  stack = started
})
let document: OpenApiRequests.Document
/** Of a key that may do everything. */
let secret = ""
beforeAll(async () => {
  const scopes = ["read", "write", "admin"]
  const limits = { requests_per_second: 1_000_000, jobs_in_flight: 1_000_000 }
  secret = await Effect.runPromise(Effect.gen(function*() {
    const first = yield* Accounts.init("operator", Accounts.settingsOf(stack, masterSecret))
    const admin = Accounts.withKey(stack.gatewayUrl, first)
    yield* eventually(admin("/account"), ({ status }) => status === 200)
    const secret = yield* Accounts.open(admin, "fuzz", { owner: stack.ownerAddress, scopes, limits })
    yield* eventually(Accounts.withKey(stack.gatewayUrl, secret)("/account"), ({ status }) => status === 200)
    return secret
  }))
  document = OpenApiRequests.read(await (await fetch(`${stack.gatewayUrl}/openapi.json`)).json())
})

const agent = new Agent({ keepAlive: true, maxSockets: 20 })
interface Raw {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | undefined
}
/** Sends a request whose path is what it is, with the key unless it presents something else; waits 10 s at most for its answer. */
const send = ({ body, headers, method, path }: Raw): Promise<OpenApiRequests.Answer> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(stack.gatewayUrl)
    // Node would send the body of a DELETE without its length.
    const length = body === undefined ? {} : { "content-length": `${Buffer.byteLength(body)}` }
    const options = {
      agent,
      hostname,
      port,
      method,
      path,
      headers: { authorization: `Bearer ${secret}`, ...headers, ...length },
      timeout: 10_000
    }
    const sent = request(options, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          contentType: response.headers["content-type"],
          body: Buffer.concat(chunks).toString()
        }))
    })
    sent.on("timeout", () => sent.destroy(new Error(`no answer to ${method} ${path}`)))
    sent.on("error", reject)
    sent.end(body)
  })

/** Runs of each property: 39 operations, so that there are more than 10,000 requests in all. */
const numRuns = 220
const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 1_000_000)

/** Holds a property against that many requests. The whole of a counterexample may be long, and the seed draws it again. */
const holds = async <Made>(made: fc.Arbitrary<Made>, check: (made: Made) => Promise<void>, runs = numRuns) => {
  const { errorInstance, failed, numRuns } = await fc.check(fc.asyncProperty(made, check), {
    numRuns: runs,
    seed,
    endOnFailure: true
  })
  if (failed) {
    assert.fail(
      `request ${numRuns}: ${errorInstance instanceof Error ? errorInstance.message.slice(0, 2_000) : errorInstance}`
    )
  }
}

/** Bodies and headers that nobody should send. */
const hostileBodies = fc.oneof(
  fc.json().map((text) => text.slice(0, 100_000)),
  fc.string({ unit: "binary" }),
  fc.uint8Array({ maxLength: 200 }),
  fc.constantFrom(
    "",
    "{",
    "null",
    "[]",
    "{\"name\":\"a-bucket\",\"name\":\"b-bucket\"}",
    "{\"name\":\"\\ud800abc\"}",
    "{\"name\":\"a\\u0000b\"}",
    "{\"__proto__\":{\"name\":\"abc\"}}",
    "{\"name\":1e999}",
    `${"[".repeat(60_000)}${"]".repeat(60_000)}`,
    `{"name":"${"a".repeat(100_000)}"}`,
    "\ufeff{\"name\":\"abc\"}"
  )
)
const headerText = fc.string({ unit: fc.constantFrom(..."aZ09 -_.:;,=\"'*/()<>@?[]{}~!#$%&+^`|\t\\") })
const hostileHeaders = fc.dictionary(
  fc.constantFrom(
    "content-type",
    "accept",
    "if-none-match",
    "prefer",
    "idempotency-key",
    "last-event-id",
    "traceparent",
    "x-forwarded-for",
    "authorization"
  ),
  fc.oneof(headerText, fc.constantFrom("application/json", "text/xml", "-1", "1e400", "00-0-0-00", "wait=1"))
)
const hostilePath = fc.array(
  fc.oneof(
    fc.constantFrom(
      "buckets",
      "jobs",
      "events",
      "..",
      ".",
      "",
      "%00",
      "%2e%2e",
      "%ff",
      "%",
      "%zz",
      "%c0%af",
      "a%2fb",
      ":",
      "*"
    ),
    fc.stringMatching(/^[a-zA-Z0-9._~!$&'()*+,;=:@-]{0,20}$/)
  ),
  { maxLength: 5 }
).map((parts) => `/${parts.join("/")}`)
const hostileQuery = fc.oneof(
  fc.constant(""),
  fc.stringMatching(/^[a-zA-Z0-9._~!$&'()*+,;=:@/?%-]{0,40}$/).map((query) => `?${query}`),
  fc.constantFrom(
    "?limit=1&limit=2",
    "?limit=0x10",
    "?limit=1e2",
    "?after=%00",
    "?wait=-1",
    "?limit=",
    "?=",
    "?__proto__=1",
    "?after=%ed%a0%80"
  )
)

/** None of these may hang on: streams have tests of their own. */
const isStream = (headers: Readonly<Record<string, string>>) =>
  headers["accept"]?.includes("text/event-stream") === true

/** The request with a file name that is one, and without what must fit its body or another of its fields: a document can't say that. */
const consistent = (made: OpenApiRequests.Request): OpenApiRequests.Request => {
  const { "content-digest": _, "repr-digest": __, "if-match": ___, "if-none-match": ____, ...headers } = made.headers
  const [asked = "", search = ""] = made.path.split("?")
  const path = asked.replace(/\/files\/[^/]+/, "/files/a-file")
  const query = new URLSearchParams(search)
  // Of the network's pages `next` is a number.
  if (query.get("source") === "network" && query.has("after")) query.set("after", "0")
  // A key is either the client's or the account's.
  if ("x-encryption-key" in headers) query.delete("encryption")
  else if (query.get("encryption") !== "account") query.delete("encrypt_name")
  return { ...made, headers, path: query.size === 0 ? path : `${path}?${query}` }
}

describe(`requests at random (FUZZ_SEED=${seed} draws them again)`, () => {
  it("that the document allows are taken, and answered as it declares", async () => {
    for (const { operation, requests } of document.allowed) {
      await holds(requests, async (made) => {
        const answer = await send(operation.includes("/files") ? consistent(made) : made)
        assert.strictEqual(
          document.complaints(operation, answer).join("; "),
          "",
          `${made.method} ${made.path} ${made.body}`
        )
        assert.notInclude([400, 413, 415], answer.status, `${made.method} ${made.path} ${made.body} ${answer.body}`)
        assert.isBelow(answer.status, operation === "GET /health/ready" ? 600 : 500, answer.body)
      })
    }
  }, 240_000)

  it(
    "whose headers, query and body are spoilt are answered as the document declares, and never with a defect",
    async () => {
      for (const { operation, requests } of document.allowed) {
        const spoilt = fc.tuple(requests, hostileHeaders, hostileQuery, hostileBodies).filter(([, headers]) =>
          !isStream(headers)
        )
        await holds(spoilt, async ([made, headers, query, body]) => {
          const hasBody = made.method !== "GET"
          const path = query === "" ? made.path : `${made.path.split("?")[0]}${query}`
          const answer = await send({
            ...made,
            path,
            headers: { ...made.headers, ...headers },
            body: hasBody ? body : undefined
          })
          const shown = `${made.method} ${path} ${JSON.stringify(headers)} ${String(body).slice(0, 200)}`
          // Where a spoilt header or body makes the request one that Node's parser refuses, its answer has no body.
          if (answer.status === 400 && answer.body === "") return
          assert.strictEqual(document.complaints(operation, answer).join("; "), "", shown)
          assert.isBelow(answer.status, operation === "GET /health/ready" ? 600 : 500, shown)
        })
      }
    },
    240_000
  )

  it("to any path, by any method, are answered with a problem or by a route, and never with a defect", async () => {
    const any = fc.record({
      method: fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"),
      path: fc.tuple(hostilePath, hostileQuery).map((parts) => parts.join("")),
      headers: hostileHeaders.filter((headers) => !isStream(headers)),
      body: fc.oneof(fc.constant(undefined), hostileBodies)
    })
    await holds(any, async ({ body, ...made }) => {
      const answer = await send({
        ...made,
        body: ["GET", "HEAD", "OPTIONS", "TRACE"].includes(made.method) ? undefined : body
      })
      assert.isBelow(answer.status, 500, `${made.method} ${made.path} ${JSON.stringify(made.headers)} ${answer.body}`)
      if (answer.status >= 400 && answer.body !== "") {
        assert.match(answer.contentType ?? "", /^application\/problem\+json/, `${made.method} ${made.path}`)
      }
    }, 2_000)
  }, 240_000)
})
