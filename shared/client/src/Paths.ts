/** Paths of the API, from what the caller gives. */
import { ArgumentInvalid } from "./Errors.ts"

/** What URLs take for another place. */
const steps = new Set([".", ".."])

/**
 * A value in the place of a path's parameter. The name of a file keeps its slashes.
 * @throws ArgumentInvalid for one that would lead elsewhere.
 */
export const parameter = (name: string, value: unknown): string => {
  if (typeof value !== "string" && typeof value !== "number" || value === "") {
    throw new ArgumentInvalid(`${name}: give a text that is not empty, not ${JSON.stringify(value)}`)
  }
  const segments = name === "file_name" ? `${value}`.split("/") : [`${value}`]
  if (segments.some((segment) => steps.has(segment))) {
    throw new ArgumentInvalid(`${name}: "." and ".." are no names, and ${JSON.stringify(value)} has one of them`)
  }
  try {
    return segments.map(encodeURIComponent).join("/")
  } catch {
    throw new ArgumentInvalid(`${name}: half of a surrogate pair is no text`)
  }
}

/** The path of a file. */
export const fileAt = (bucket: string, name: string): string =>
  `/buckets/${parameter("name", bucket)}/files/${parameter("file_name", name)}`

/** A path with those parts of a query that have a value. */
export const withQuery = (path: string, query: unknown): string => {
  const given = Object.entries(Object(query)).filter(([, value]) => value !== undefined && value !== null)
  return given.length === 0
    ? path
    : `${path}?${new URLSearchParams(given.map(([name, value]): [string, string] => [name, `${value}`]))}`
}
