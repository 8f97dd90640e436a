import { assert, it } from "@effect/vitest"
import { firstNonce } from "../src/Ledgers.ts"

it("a new ledger begins behind every nonce that the lost one can have given out", () => {
  const cases: ReadonlyArray<readonly [begun: number, recorded: number, mined: number, sent: number, first: number]> = [
    // A wallet that has done nothing, or whose transactions are all mined.
    [0, 0, 0, 0, 0],
    [0, 7, 7, 7, 7],
    // One that was used from elsewhere.
    [0, 7, 9, 9, 9],
    // Transactions wait.
    [3, 7, 7, 10, 10],
    // Claims that were recorded, and of whose transactions the chain's node knows nothing.
    [2, 9, 7, 7, 9],
    // Jobs that have begun: each may have a claim that nobody knows of.
    [5, 9, 7, 8, 12]
  ]
  for (const [begun, nextNonce, mined, sent, first] of cases) {
    assert.strictEqual(firstNonce({ begun, nextNonce }, mined, sent), first)
  }
})
