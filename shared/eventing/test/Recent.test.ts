import { assert, describe, it } from "@effect/vitest"
import { ofKind, ofOwner, Recent } from "../src/Recent.ts"

const event = (sequence: number, subject: string, jobId?: string) => ({
  sequence,
  subject,
  headers: jobId === undefined ? {} : { "ce-correlationid": jobId },
  data: new Uint8Array()
})
const sequences = (events: ReadonlyArray<{ readonly sequence: number }>) => events.map(({ sequence }) => sequence)

describe("the recent events", () => {
  const recent = new Recent(7, 3)
  const push = (count: number) => {
    for (let n = 0; n < count; n++) {
      const { next } = recent
      recent.push(event(next, `bucket.0x${next % 2}.b${next % 2}`, `job-${next % 2}`))
    }
  }

  it("begin at a given sequence", () => {
    assert.deepStrictEqual([recent.first, recent.next], [7, 7])
  })

  it("are found by subject, by kind, by owner and by job", () => {
    push(4)
    assert.deepStrictEqual([recent.first, recent.next], [7, 11])
    assert.deepStrictEqual(sequences(recent.from(ofKind("bucket"), 8)), [8, 9, 10])
    for (const filter of ["bucket.0x1.b1", ofOwner("0X1")]) {
      assert.deepStrictEqual(sequences(recent.from(filter, 0)), [7, 9])
      assert.deepStrictEqual(sequences(recent.from(filter, 8)), [9])
      assert.deepStrictEqual(sequences(recent.from(filter, 10)), [])
    }
    assert.deepStrictEqual(sequences(recent.ofJob("job-0")), [8, 10])
    assert.deepStrictEqual(recent.from("bucket.0x2.b2", 0), [])
    assert.deepStrictEqual(recent.ofJob("job-2"), [])
  })

  it("are forgotten, the oldest first, when there are twice as many as are kept", () => {
    push(3)
    assert.deepStrictEqual([recent.first, recent.next], [10, 14])
    assert.deepStrictEqual(sequences(recent.from(ofOwner("0x1"), 0)), [11, 13])
    assert.deepStrictEqual(sequences(recent.ofJob("job-0")), [10, 12])
  })
})
