/** Files of accounts: whose they are, how requests for them are signed, and what they are encrypted with. */
import type * as Stack from "@akave-async/local/Stack"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import * as Accounts from "../support/Accounts.ts"
import * as Files from "../support/Files.ts"
import { eventually, freshName, request, tryRequest } from "../support/Gateway.ts"
import * as Leaks from "../support/Leaks.ts"
import * as SharedStack from "../support/SharedStack.ts"
import * as Uploads from "../support/Uploads.ts"

const masterSecret = Accounts.newMasterSecret()
const [firstSecret, secondSecret] = [0, 1].map(() => Leaks.register(randomBytes(32).toString("hex")))
let stack: Stack.Stack
let gateway: string
let admin: Accounts.Send
const secrets: Record<string, string> = {}
SharedStack.use({
  counts: { gateway: 2 },
  env: {
    gateway: {
      MASTER_SECRET: masterSecret,
      FILE_ENCRYPTION_SECRET: firstSecret ?? "",
      FILE_ENCRYPTION_SECRET_FILE: ""
    },
    // As the first one is once its secret was changed.
    "gateway-1": {
      FILE_ENCRYPTION_SECRET: secondSecret ?? "",
      FILE_ENCRYPTION_SECRET_BEFORE: firstSecret ?? ""
    }
  }
}, (started) => {
  stack = started
  gateway = started.gatewayUrl
})
beforeAll(async () => {
  const secret = await Effect.runPromise(Accounts.init("operator", Accounts.settingsOf(stack, masterSecret)))
  admin = Accounts.withKey(gateway, secret)
  await Effect.runPromise(eventually(admin("/account"), ({ status }) => status === 200))
  for (const account of ["acme", "other"]) {
    secrets[account] = await Effect.runPromise(Accounts.open(admin, account, { owner: stack.ownerAddress }))
    for (const url of stack.gatewayUrls) {
      await Effect.runPromise(eventually(of(account, url)("/account"), ({ status }) => status === 200))
    }
  }
})
const of = (account: string, url = gateway) => Accounts.withKey(url, secrets[account] ?? "")
const wait = { prefer: "wait=60" }
const bucketOf = Effect.fnUntraced(function*(account: string) {
  const name = freshName()
  yield* of(account)("/buckets", { method: "POST", headers: wait, body: JSON.stringify({ name }) })
  return name
})

describe("a signed upload", () => {
  const signed = (
    account: string,
    path: string,
    digest: string,
    headers: Readonly<Record<string, string>>,
    body: string
  ) =>
    request(`${gateway}${path}`, {
      method: "PUT",
      headers: { ...Accounts.signatureOf(secrets[account] ?? "", { method: "PUT", path, body: digest }), ...headers },
      body
    })

  it.live("is signed by its digest, which its body must have", () =>
    Effect.gen(function*() {
      const bucket = yield* bucketOf("acme")
      const digest = Files.digestField(Buffer.from("signed"))
      const path = Files.pathOf(bucket, "a/signed")
      const sent = yield* signed("acme", path, digest, { "content-digest": digest, ...wait }, "signed")
      assert.deepInclude(sent.body, { status: "completed" })
      const again = yield* Accounts.signed(gateway, secrets["acme"] ?? "")(path)
      assert.strictEqual(again.body, "signed")

      const other = Files.pathOf(bucket, "other")
      const changed = yield* signed("acme", other, digest, { "content-digest": digest }, "forged")
      assert.deepInclude(changed.body, { status: 400, code: "digest_mismatch" })
      const undigested = yield* signed("acme", other, "signed", {}, "signed")
      assert.deepInclude(undigested.body, { status: 401, code: "unauthorized" })
      assert.include(undigested.body.detail, "Content-Digest")
      const forged = Files.digestField(Buffer.from("forged"))
      const replaced = yield* signed("acme", other, digest, { "content-digest": forged }, "forged")
      assert.deepInclude(replaced.body, { status: 401, code: "unauthorized" })
      assert.strictEqual((yield* of("acme")(`${other}?metadata`)).status, 404)
      assert.deepStrictEqual(Files.staged(stack.dataDir), [])
    }))
})

describe("a file of an account", () => {
  it.live("is nobody else's, by any route, and its name is free in another's bucket", () =>
    Effect.gen(function*() {
      const [mine, others] = [yield* bucketOf("acme"), yield* bucketOf("other")]
      const path = Files.pathOf(mine, "a")
      const { body: job } = yield* of("acme")(path, { method: "PUT", headers: wait, body: "mine" })
      assert.deepInclude(job, { status: "completed" })
      const asOther = of("other")
      for (const one of [path, `${path}?metadata`, `${path}?metadata=network`, `/jobs/${job.job_id}`]) {
        assert.strictEqual((yield* asOther(one)).status, 404, one)
      }
      assert.deepStrictEqual((yield* asOther(`/buckets/${mine}/files`)).body.files, [])
      const changes: ReadonlyArray<readonly [string, Accounts.Sent]> = [
        [path, { method: "DELETE" }],
        [path, { method: "PATCH", body: JSON.stringify({ is_public: true }) }],
        [`${path}/downloads`, { method: "POST", body: "{}" }],
        [path, { method: "PUT", body: "theirs" }],
        [`${path}?overwrite=true`, { method: "PUT", body: "theirs" }],
        [Files.pathOf(mine, "new"), { method: "PUT", body: "theirs" }]
      ]
      for (const [one, sent] of changes) assert.strictEqual((yield* asOther(one, sent)).status, 404, one)
      const { body: theirs } = yield* asOther(Files.pathOf(others, "a"), {
        method: "PUT",
        headers: wait,
        body: "theirs"
      })
      assert.deepInclude(theirs, { status: "completed" })
      assert.strictEqual((yield* of("acme")(path)).body, "mine")
      assert.strictEqual((yield* asOther(Files.pathOf(others, "a"))).body, "theirs")
    }))

  it.live("is encrypted with the account's key, which later secrets don't change", () =>
    Effect.gen(function*() {
      const bucket = yield* bucketOf("acme")
      const put = (url: string, name: string) =>
        of("acme", url)(`${Files.pathOf(bucket, name)}?encryption=account&encrypt_name=true`, {
          method: "PUT",
          headers: wait,
          body: `of ${name}`
        })
      const [first = "", second = ""] = stack.gatewayUrls
      assert.deepInclude((yield* put(first, "before")).body, { status: "completed" })
      assert.deepInclude((yield* put(second, "after")).body, { status: "completed" })
      const read = (url: string, name: string) => of("acme", url)(Files.pathOf(bucket, name))
      assert.strictEqual((yield* read(first, "before")).body, "of before")
      assert.strictEqual((yield* read(second, "before")).body, "of before")
      assert.strictEqual((yield* read(second, "after")).body, "of after")
      const unknown = yield* read(first, "after")
      assert.deepInclude(unknown.body, { status: 400, code: "encryption_key_required" })
      // The network does not have their names.
      const onNetwork = yield* of("acme")(`${Files.pathOf(bucket, "before")}?metadata=network`)
      assert.deepInclude(onNetwork.body, { file_name: "before" })
      const client = yield* Uploads.client(stack)
      const listed = yield* Effect.promise(() => client.listFiles(bucket))
      const names = listed.map(({ name }) => name)
      assert.lengthOf(names, 2)
      assert.notIncludeMembers(names, ["before", "after"])
    }).pipe(Effect.scoped))

  it.live("is read with a key that may read, and changed with one that may write", () =>
    Effect.gen(function*() {
      const bucket = yield* bucketOf("acme")
      const path = Files.pathOf(bucket, "a")
      yield* of("acme")(path, { method: "PUT", headers: wait, body: "read me" })
      const reader = Accounts.withKey(gateway, yield* Accounts.issue(admin, "acme", ["read"]))
      yield* eventually(reader("/account"), ({ status }) => status === 200)
      assert.strictEqual((yield* reader(path)).body, "read me")
      const changes: ReadonlyArray<readonly [string, Accounts.Sent]> = [
        [path, { method: "PUT", body: "x" }],
        [path, { method: "DELETE" }],
        [path, { method: "PATCH", body: JSON.stringify({ is_public: true }) }],
        [`${path}/downloads`, { method: "POST", body: "{}" }]
      ]
      for (const [one, sent] of changes) {
        assert.deepInclude((yield* reader(one, sent)).body, { status: 403, code: "forbidden" })
      }
      for (const [one, sent] of [[path, {}], ...changes] as const) {
        assert.deepInclude((yield* tryRequest(`${gateway}${one}`, sent)).body, { status: 401 })
      }
    }))

  it.live("is fetched by a job whose link needs no key", () =>
    Effect.gen(function*() {
      const bucket = yield* bucketOf("acme")
      const path = Files.pathOf(bucket, "ä")
      yield* of("acme")(`${path}?encryption=account`, { method: "PUT", headers: wait, body: "linked" })
      const { body: job } = yield* of("acme")(`${path}/downloads`, { method: "POST", headers: wait, body: "{}" })
      const url = new URL(job.result.url, gateway).href
      const { headers } = yield* eventually(tryRequest(url), ({ body }) => body === "linked")
      assert.strictEqual(headers.get("content-disposition"), "attachment; filename=\"a_\"; filename*=UTF-8''%C3%A4")
      assert.strictEqual((yield* tryRequest(url.replace(/signature=./, "signature=_"))).status, 404)
    }))
})
