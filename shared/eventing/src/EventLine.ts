/**
 * An event as one line of JSON (NDJSON), exactly as it is stored: what the hash chain needs comes back bit for bit, where a CloudEvent
 * in structured mode does not keep the bytes of its data.
 *
 * `{"sequence":1,"subject":"…","headers":{…},"data":"…"}`; data that is no UTF-8 text stands in `data_base64` in place of `data`.
 */
import { Result, Schema } from "effect"
import type { StoredEvent } from "./EventLog.ts"

const Line = Schema.fromJsonString(Schema.Struct({
  sequence: Schema.Int.check(Schema.isGreaterThan(0)),
  subject: Schema.String,
  headers: Schema.Record(Schema.String, Schema.String),
  data: Schema.optionalKey(Schema.String),
  data_base64: Schema.optionalKey(Schema.String)
}))
const decode = Schema.decodeUnknownResult(Line)

// A byte order mark is data as any other.
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const dataOf = (data: Uint8Array) => {
  try {
    return { data: text.decode(data) }
  } catch {
    return { data_base64: Buffer.from(data).toString("base64") }
  }
}

/** The line, without its end. */
export const toLine = ({ data, headers, sequence, subject }: StoredEvent): string =>
  JSON.stringify({ sequence, subject, headers, ...dataOf(data) })

/** The event of a line; fails where the line is none. */
export const fromLine = (line: string): Result.Result<StoredEvent, Schema.SchemaError> =>
  Result.map(decode(line), ({ data, data_base64, ...event }) => ({
    ...event,
    data: data === undefined ? Buffer.from(data_base64 ?? "", "base64") : Buffer.from(data)
  }))
