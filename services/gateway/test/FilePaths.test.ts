import { assert, it } from "@effect/vitest"
import * as FilePaths from "../src/FilePaths.ts"

it.each([
  ["PUT", "/buckets/b/files/a", "/buckets/b/files/a"],
  ["PUT", "/buckets/b/files/a/b/c?x=/y", "/buckets/b/files/a%2Fb%2Fc?x=/y"],
  ["GET", "/buckets/b/files/a;b?c?d", "/buckets/b/files/a%3Bb?c?d"],
  ["GET", "/buckets/b/files/../x", "/buckets/b/files/..%2Fx"],
  ["PUT", "/buckets/b/files/a/downloads", "/buckets/b/files/a%2Fdownloads"],
  ["POST", "/buckets/b/files/a/b/downloads", "/buckets/b/files/a%2Fb/downloads"],
  ["POST", "/buckets/b/files/downloads/downloads", "/buckets/b/files/downloads/downloads"],
  ["POST", "/buckets/b/files/downloads", "/buckets/b/files/downloads"],
  ["POST", "/buckets/b/files/a/", "/buckets/b/files/a%2F"],
  ["GET", "/buckets/b/files/", "/buckets/b/files/"],
  ["POST", "/buckets/b/files", "/buckets/b/files"],
  ["GET", "/jobs/1/events", "/jobs/1/events"],
  ["GET", "/buckets/b/jobs/files/x", "/buckets/b/jobs/files/x"]
])("%s %s is routed as %s", (method, path, routed) => {
  assert.strictEqual(FilePaths.inOneSegment(path, method), routed)
})

it("a file's path is read back as its name", () => {
  for (const name of ["a", "a/b", "100%", "a b;c?d#e", "ä/😀", "..."]) {
    const routed = FilePaths.inOneSegment(FilePaths.pathOf("b", name), "GET")
    assert.strictEqual(decodeURIComponent(routed.split("/").at(-1) ?? ""), name)
  }
})
