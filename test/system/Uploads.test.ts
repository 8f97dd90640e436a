/** Uploads by executors, from the staging store to the network. */
import { Address } from "@akave-async/domain/Ethereum"
import * as Stack from "@akave-async/local/Stack"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freshName } from "../support/Gateway.ts"
import * as Log from "../support/Log.ts"
import * as SharedStack from "../support/SharedStack.ts"
import * as Uploads from "../support/Uploads.ts"

const stagingDir = mkdtempSync(join(tmpdir(), "staging-"))
let stack: Stack.Stack
SharedStack.use({ counts: { gateway: 0, executor: 1 }, env: { executor: { STAGING_DIR: stagingDir } } }, (started) => {
  stack = started
})
const means = Effect.gen(function*() {
  return { log: yield* Log.open(stack.natsUrl), owner: Address.make(stack.ownerAddress), stagingDir }
})

it.live("a file of several chunks is stored as it is", () =>
  Effect.gen(function*() {
    const at = { bucket: freshName(), name: "photos/cat.jpg" }
    const of = yield* means
    yield* Uploads.bucket(of, at.bucket)
    const bytes = randomBytes(40_000_000)
    const { file, job } = yield* Uploads.ended(of, yield* Uploads.ask(of, at, bytes))
    assert.deepInclude(job, { status: "completed" }, JSON.stringify(job))
    const client = yield* Uploads.client(stack)
    const info = yield* Effect.promise(() => client.fileInfo(at.bucket, at.name))
    assert.strictEqual(file?.rootCid as string, info.rootCid)
    assert.isTrue(bytes.equals(yield* Uploads.contentOf(client, at.bucket, at.name)))
  }).pipe(Effect.scoped))
