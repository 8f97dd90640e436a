import { assert, describe, it } from "@effect/vitest"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { accountsIn, find, type Given, type Sources } from "../src/Credentials.ts"
import { CredentialsInvalid } from "../src/Errors.ts"
import { secretFile } from "../src/node.ts"

const nowhere: Sources = { environment: {}, file: () => undefined }
const home = { path: "/home/me/.akave-async/accounts.csv", text: "# mine\naag_pk_a,aag_sk_a\naag_pk_b,aag_sk_b,work\n" }
const folder = { path: "/tmp/accounts.csv", text: "aag_pk_c,aag_sk_c,here\n" }
const with_ = (sources: Partial<Sources>): Sources => ({ ...nowhere, ...sources })
const files = (place: "home" | "folder") => place === "home" ? home : folder

const pair = (name: string) => ({ publicKey: `aag_pk_${name}`, secretKey: `aag_sk_${name}` })

describe("credentials are found", () => {
  const environment = { AKAVE_ASYNC_PUBLIC_KEY: "aag_pk_e", AKAVE_ASYNC_SECRET_KEY: "aag_sk_e" }
  it.each<[string, Given, Sources, object | undefined, RegExp]>([
    ["in arguments first", { apiKey: "aag_sk_x" }, with_({ environment, file: files }), { apiKey: "aag_sk_x" }, /^arg/],
    ["in arguments as a pair", pair("x"), with_({ environment, file: files }), pair("x"), /^arguments/],
    ["in the environment", {}, with_({ environment, file: files }), pair("e"), /^environment/],
    [
      "in the environment as one key",
      {},
      with_({ environment: { AKAVE_ASYNC_API_KEY: " k " } }),
      { apiKey: "k" },
      /^env/
    ],
    ["in the user's file", {}, with_({ file: files }), pair("a"), /home.*account 0/],
    ["in the folder's file", {}, with_({ file: (at) => at === "folder" ? folder : undefined }), pair("c"), /tmp/],
    ["by a label", { account: "work" }, with_({ file: files }), pair("b"), /account work/],
    ["by an index", { account: 1 }, with_({ file: files }), pair("b"), /account 1/],
    ["by a label, beside the environment", { account: "work" }, with_({ environment, file: files }), pair("b"), /work/],
    [
      "by a label of the environment",
      {},
      with_({ environment: { ...environment, AKAVE_ASYNC_ACCOUNT: "work" }, file: files }),
      pair("b"),
      /work/
    ],
    ["nowhere", {}, nowhere, undefined, /^none/],
    ["nowhere, where variables are empty", {}, with_({ environment: { AKAVE_ASYNC_API_KEY: "" } }), undefined, /^none/]
  ])("%s", (_, given, sources, credentials, source) => {
    const found = find(given, sources)
    assert.deepStrictEqual(found.credentials, credentials as typeof found.credentials)
    assert.match(found.source, source)
    assert.notMatch(found.source, /_sk_/)
  })

  it("and the gateway's URL, in the same order", () => {
    const sources = with_({ environment: { AKAVE_ASYNC_URL: "http://env:1" } })
    assert.strictEqual(find({ url: "http://arg:1" }, sources).url, "http://arg:1")
    assert.strictEqual(find({}, sources).url, "http://env:1")
    assert.strictEqual(find({}, nowhere).url, "http://127.0.0.1:8000")
  })
})

describe("credentials are refused", () => {
  it.each<[string, Given, Sources, RegExp]>([
    ["that are half a pair", { publicKey: "aag_pk_x" }, nowhere, /publicKey is set without secretKey/],
    ["that are the other half", { secretKey: "aag_sk_x" }, nowhere, /secretKey is set without publicKey/],
    [
      "that are half a pair of the environment, though a file has some",
      {},
      with_({ environment: { AKAVE_ASYNC_SECRET_KEY: "x" }, file: files }),
      /AKAVE_ASYNC_SECRET_KEY is set without AKAVE_ASYNC_PUBLIC_KEY/
    ],
    ["of two kinds", { apiKey: "x", ...pair("x") }, nowhere, /not both/],
    ["by an index that the file has not", { account: 7 }, with_({ file: files }), /home.*no account 7.*0, 1 \(work\)/],
    ["by a label that the file has not", { account: "x" }, with_({ file: files }), /no account x/],
    ["by an account where there is no file", { account: "x" }, nowhere, /no account x.*accounts.csv/],
    ["in a file without accounts", {}, with_({ file: () => ({ path: "/f", text: "# none\n" }) }), /no account 0.*none/],
    ["in a line without a secret", {}, with_({ file: () => ({ path: "/f", text: "\naag_pk_x\n" }) }), /\/f, line 2/]
  ])("%s", (_, given, sources, message) => {
    const error = thrown(() => find(given, sources))
    assert.instanceOf(error, CredentialsInvalid)
    assert.match(error.message, message)
    assert.notMatch(error.message, /_sk_/)
  })
})

const thrown = (run: () => unknown): Error => {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  return assert.fail("nothing was thrown")
}

it("reads lines with labels, comments and blanks", () => {
  assert.deepStrictEqual(accountsIn({ path: "", text: "\uFEFF".slice(1) + "a , b\r\n\n  # c\nd,e,f, g\n" }), [
    { publicKey: "a", secretKey: "b", label: undefined },
    { publicKey: "d", secretKey: "e", label: "f,g" }
  ])
})

describe("a file with accounts", () => {
  const place = mkdtempSync(join(tmpdir(), "akave-async-client-"))
  afterAll(() => rmSync(place, { recursive: true }))
  const path = join(place, "accounts.csv")

  it("is not there, and is not made by looking for it", () => {
    assert.isUndefined(secretFile(join(place, "none", "accounts.csv")))
    assert.isFalse(existsSync(join(place, "none")))
  })

  it("is read where it is its owner's alone", () => {
    writeFileSync(path, "a,b\n", { mode: 0o600 })
    assert.deepStrictEqual(secretFile(path), { path, text: "a,b\n" })
  })

  it.each([0o640, 0o604, 0o620, 0o601])("is refused with the mode %i, and with what to do", (mode) => {
    chmodSync(path, mode)
    assert.match(thrown(() => secretFile(path)).message, new RegExp(`run chmod 600 ${path}`))
  })

  it("is refused where it is a folder", () => {
    mkdirSync(join(place, "folder"))
    assert.match(thrown(() => secretFile(join(place, "folder"))).message, /is no file/)
  })
})
