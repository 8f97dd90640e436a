/** Paths of files: a file's name is one parameter of a route, whatever slashes it has. */

/** What a download of a file is asked for at, behind the file's name. */
const suffix = "/downloads"

/** Characters of the longest parameter of a path: more than a request has. What is too long for a name is so by the name's own rule. */
export const maxLength = 32_768

/**
 * The path with the file's name in one segment: its slashes are percent-encoded, and so are semicolons, which the router takes for the
 * begin of a query; any other path as it is. Only where something is posted a download may be asked for: to other methods, what is
 * behind the last slash is a part of the name.
 */
export const inOneSegment = (url: string, method: string): string => {
  const [path = "", ...query] = url.split("?")
  const [, before, rest] = /^(\/buckets\/[^/]+\/files\/)(.+)$/s.exec(path) ?? []
  if (before === undefined || rest === undefined) return url
  const end = method === "POST" && rest.length > suffix.length && rest.endsWith(suffix) ? suffix : ""
  const name = rest.slice(0, rest.length - end.length).replaceAll("/", "%2F").replaceAll(";", "%3B")
  return [`${before}${name}${end}`, ...query].join("?")
}

/** The path of a file. */
export const pathOf = (bucketName: string, name: string): string =>
  `/buckets/${bucketName}/files/${name.split("/").map(encodeURIComponent).join("/")}`
