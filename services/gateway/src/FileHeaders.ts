/** What headers of requests for files say: digests, entity tags and ranges; and how a file is named in an answer. */
import { Result } from "effect"

const invalid = (detail: string) => Result.fail(detail)

/**
 * The SHA-256 of a `Content-Digest` or `Repr-Digest` (RFC 9530), in hex digits: a dictionary of structured fields, of which this
 * member is read. Fails with what is wrong, also where there is none: what is sent to be checked is not passed over.
 */
export const digestOf = (name: string, header: string): Result.Result<string, string> => {
  const member = header.split(",").map((one) => one.trim()).find((one) => one.toLowerCase().startsWith("sha-256="))
  if (member === undefined) return invalid(`${name} has no sha-256: send sha-256=:…: with the digest in base64`)
  const base64 = /^sha-256=:([A-Za-z0-9+/]{43}=):$/i.exec(member)?.[1]
  return base64 === undefined
    ? invalid(`${name} has a sha-256 that is not 32 bytes in base64, between colons`)
    : Result.succeed(Buffer.from(base64, "base64").toString("hex"))
}

/** A SHA-256 in hex digits as a digest field has it. */
export const digestField = (sha256: string): string => `sha-256=:${Buffer.from(sha256, "hex").toString("base64")}:`

/** The strong entity tags that an `If-Match` (RFC 9110, section 13.1.1) names, or that it names any; weak ones match nothing there. */
export const tagsOf = (header: string): Result.Result<"any" | ReadonlyArray<string>, string> => {
  if (header.trim() === "*") return Result.succeed("any")
  const tags = header.split(",").map((tag) => tag.trim()).filter((tag) => tag !== "")
  const isTag = (tag: string) => /^(?:W\/)?"[\x21\x23-\x7e]*"$/.test(tag)
  if (tags.length === 0 || !tags.every(isTag)) {
    return invalid("an entity tag is a text in double quotes, and several have commas between them")
  }
  return Result.succeed(tags.filter((tag) => !tag.startsWith("W/")).map((tag) => tag.slice(1, -1)))
}

export interface Range {
  readonly start: number
  /** The byte after the last one. */
  readonly end: number
}

/**
 * The bytes of so many that a `Range` (RFC 9110, section 14.2) asks for: `whole` where it is none that is understood, which is to be passed over;
 * `unsatisfiable` where the file has none of them, and `several` where it asks for more than one range.
 */
export const rangeOf = (header: string | undefined, size: number): Range | "whole" | "unsatisfiable" | "several" => {
  if (header === undefined || !/^bytes=/i.test(header)) return "whole"
  const ranges = header.slice("bytes=".length).split(",").map((one) => one.trim()).filter((one) => one !== "")
  if (ranges.length === 0 || !ranges.every((one) => /^(\d{1,15}-\d{0,15}|-\d{1,15})$/.test(one))) return "whole"
  if (ranges.length > 1) return "several"
  const [first = "", last = ""] = ranges[0]?.split("-") ?? []
  if (first === "") {
    const length = Math.min(size, Number(last))
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size }
  }
  const [start, end] = [Number(first), last === "" ? size : Math.min(size, Number(last) + 1)]
  if (last !== "" && Number(last) < start) return "whole"
  return start >= size ? "unsatisfiable" : { start, end }
}

/**
 * `Content-Disposition` (RFC 6266) for a file of this name: the name in ASCII, and in UTF-8 where that is another. It names no folder.
 */
export const disposition = (type: "attachment" | "inline", wanted: string): string => {
  const name = wanted.toWellFormed().replaceAll(/[/\\]/g, "_")
  const ascii = name.normalize("NFKD").replaceAll(/[^\x20-\x7e]/g, "_").replaceAll(/["\\%]/g, "_")
  const encoded = encodeURIComponent(name).replaceAll(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`
  )
  return ascii === name ? `${type}; filename="${ascii}"` : `${type}; filename="${ascii}"; filename*=UTF-8''${encoded}`
}

/** The last segment of a file's name. */
export const baseName = (name: string): string => name.slice(name.lastIndexOf("/") + 1)
