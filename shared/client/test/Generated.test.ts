/** That the client's methods are those of the HTTP API, and the same in both flavours. */
import { assert, it } from "@effect/vitest"
import type { Effect, Stream } from "effect"
import { readFileSync } from "node:fs"
import { files } from "../generate.ts"
import { kindOf, make } from "../src/Client.ts"
import type { EffectClient, EffectContent, EffectUploadable } from "../src/effect.ts"
import type { FileContent, FileMethods, LocalClient } from "../src/index.ts"
import { platform } from "../src/node.ts"

/** What formatting changes. */
const plain = (text: string) => text.replaceAll(/[\s,;()|"]/g, "")

it("has what the definition of the API makes of it: node shared/client/generate.ts", () => {
  for (const [file, text] of files) assert.isTrue(plain(readFileSync(file, "utf8")) === plain(text), file)
})

type Both<A, B> = [A] extends [B] ? [B] extends [A] ? true : false : false

/** The Promise flavour, as the Effect flavour would have it by its own types. */
type Plain<A> = A extends (...args: infer Args) => infer Out
  ? Out extends Effect.Effect<infer B, infer _> ? (...args: Args) => Promise<B extends EffectContent ? FileContent : B>
  : Out extends Stream.Stream<infer B, infer _> ? (...args: Args) => AsyncIterable<B>
  : A
  : A extends string ? A
  : { readonly [Key in keyof A]: Plain<A[Key]> }

it("has the same methods in both flavours", () => {
  type Same = Omit<LocalClient, "files"> & { readonly files: FileMethods<EffectUploadable> }
  const same: Both<Plain<EffectClient>, { readonly [Key in keyof Same]: Same[Key] }> = true
  assert.isTrue(same)
})

it("knows of every method whether it gives a promise or an iterator", () => {
  const client = make({
    url: "http://127.0.0.1",
    credentials: undefined,
    timeout: 1,
    fetch: () => Promise.reject(new Error("not asked")),
    userAgent: undefined,
    platform,
    debug: () => {}
  })
  const paths = Object.entries(client).flatMap(([group, value]) =>
    typeof value === "object" ? Object.keys(value).map((name) => `${group}.${name}`) : group === "url" ? [] : [group]
  )
  assert.isAbove(paths.length, 30)
  for (const path of paths) assert.include(["call", "iterator"], kindOf(path).kind)
})
