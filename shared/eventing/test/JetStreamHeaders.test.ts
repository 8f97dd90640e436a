import { assert, it } from "@effect/vitest"
import type { JsMsg } from "@nats-io/jetstream"
import { headers as makeHeaders, type MsgHdrs } from "@nats-io/nats-core"
import { Schema } from "effect"
import * as JetStreamHeaders from "../src/JetStreamHeaders.ts"

/** A message as the library has it. */
const messageOf = (headers: MsgHdrs): JsMsg => {
  const bytes = (headers as unknown as { encode(): Uint8Array }).encode()
  const [_rdata, _msg] = [Buffer.concat([bytes, Buffer.from("data")]), { hdr: bytes.length }]
  return { headers, msg: { _rdata, _msg } } as unknown as JsMsg
}
const made = (pairs: ReadonlyArray<readonly [string, string]>) => {
  const headers = makeHeaders()
  for (const [name, value] of pairs) headers.append(name, value)
  return headers
}

const Name = Schema.Literals(["ce-id", "Nats-Msg-Id", "nats-msg-id", "Nats-Sequence", "traceparent", "x"])
const Value = Schema.String.check(Schema.isPattern(/^[^\r\n]*$/))

it.prop("headers are what the library makes of them, whether or not they were seen before", [
  Schema.Array(Schema.Tuple([Name, Value]))
], ([pairs]) => {
  const headers = made(pairs)
  const message = messageOf(headers)
  for (const time of ["first", "second"]) {
    assert.deepStrictEqual(JetStreamHeaders.of(message), JetStreamHeaders.ofLibrary(headers), time)
  }
})

it("headers are read at once where they are plain, and left to the library where they are not", () => {
  const known = new Map([["Ce-Id", "ce-id"], ["X", "x"], ["x", "x"]])
  const parse = (text: string) => JetStreamHeaders.parse(text, known)
  assert.deepStrictEqual(parse("NATS/1.0\r\nCe-Id: a: b \r\nX:ü\r\n\r\n"), { "ce-id": "a: b", x: "ü" })
  assert.deepStrictEqual(parse("NATS/1.0\r\n\r\n"), {})
  const odd = [
    "NATS/1.0 503\r\n\r\n",
    "NATS/1.0\r\nUnknown: a\r\n\r\n",
    "NATS/1.0\r\nX: a\r\nX: b\r\n\r\n",
    "NATS/1.0\r\nX: a\r\nx: b\r\n\r\n",
    "NATS/1.0\r\nX: a\nb\r\n\r\n",
    "NATS/1.0\r\nX: a\rb\r\n\r\n",
    "NATS/1.0\r\nX\r\nX: a\r\n\r\n",
    "NATS/1.0\r\nX: a"
  ]
  for (const text of odd) assert.isUndefined(parse(text), text)
})
