/** Stored events as JSON, as CloudEvents 1.0 defines it (JSON Event Format for CloudEvents, version 1.0.2). */
import type { StoredEvent } from "./EventLog.ts"

const optional = ["time", "correlationid", "causationid"] as const

/** The event as the JSON text of a CloudEvent. What the log holds is shown as it is, whether or not this release knows it. */
export const toJson = (stored: StoredEvent): string => {
  const { headers, sequence, subject } = stored
  return JSON.stringify({
    specversion: "1.0",
    id: headers["ce-id"] ?? "",
    source: headers["ce-source"] ?? "",
    type: headers["ce-type"] ?? "",
    subject,
    ...Object.fromEntries(optional.flatMap((name) => {
      const value = headers[`ce-${name}`]
      return value === undefined ? [] : [[name, value]]
    })),
    ...(headers["traceparent"] === undefined ? {} : { traceparent: headers["traceparent"] }),
    datacontenttype: "application/json",
    sequence: `${sequence}`,
    ...dataOf(stored)
  })
}

const dataOf = ({ data }: StoredEvent) => {
  try {
    return { data: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data)) as unknown }
  } catch {
    return { data_base64: Buffer.from(data).toString("base64") }
  }
}
