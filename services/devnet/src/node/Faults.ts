/**
 * Misbehaviour that tests ask for, on the admin port (`DEVNET_ADMIN_PORT`, loopback only):
 *
 *     PUT    /faults   a JSON document, the schema `Document`; it replaces the one before
 *     GET    /faults   the document in force
 *     DELETE /faults   clears it
 *     GET    /state    counts of what the node holds
 *
 * Counters (`times`, `every`, `drop`) begin anew with each PUT. What the document leaves out behaves as always.
 */
import { status } from "@grpc/grpc-js"
import { Context, Effect, Layer, Schema } from "effect"
import { digestOf } from "./Cids.ts"
import { Injected } from "./Refusals.ts"

export const rpcs = [
  "ConnectionParams",
  "BucketView",
  "BucketList",
  "FileUploadChunkCreate",
  "FileUploadBlock",
  "FileUploadBlockUnary",
  "FileView",
  "FileList",
  "FileDownloadCreate",
  "FileDownloadRangeCreate",
  "FileDownloadChunkCreate",
  "FileDownloadBlock",
  "FileResolveBlock"
] as const
export type Rpc = typeof rpcs[number]

const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3_600_000 }))
const BlockIndex = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 31 }))
const Positive = Schema.Int.check(Schema.isGreaterThan(0))
const codeNames = Object.keys(status).filter((name) => /^[A-Z_]+$/.test(name) && name !== "OK")

/** Calls of an rpc; those of FileUploadBlock(Unary) and FileDownloadBlock may be chosen by the index of their block. */
const Calls = { rpc: Schema.Literals(rpcs), block_indexes: Schema.optionalKey(Schema.NonEmptyArray(BlockIndex)) }

/** Downloaded blocks that any of these names: their index in the chunk, their CID, or a share of all, chosen by digest. */
const Selection = Schema.Struct({
  indexes: Schema.optionalKey(Schema.Array(BlockIndex)),
  cids: Schema.optionalKey(Schema.Array(
    Schema.String.check(Schema.makeFilter((text) => digestOf(text) !== undefined || "the CID of a dag-pb block"))
  )),
  share: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })))
})
type Selection = typeof Selection.Type

export const Document = Schema.Struct({
  /** Calls that are answered later. */
  delay: Schema.optionalKey(Schema.Array(Schema.Struct({ ...Calls, ms: Millis }))),
  /** Calls that are answered by a gRPC status: all; the n-th, 2 n-th, … by `every`; the next n by `times`. */
  refuse: Schema.optionalKey(Schema.Array(Schema.Struct({
    ...Calls,
    code: Schema.Literals(codeNames),
    message: Schema.optionalKey(Schema.String),
    every: Schema.optionalKey(Positive),
    times: Schema.optionalKey(Positive)
  }))),
  /** Calls that are never answered. */
  stall: Schema.optionalKey(Schema.Array(Schema.Struct(Calls))),
  /** Blocks that are answered by NOT_FOUND. */
  lose: Schema.optionalKey(Selection),
  /** Blocks of which one byte is flipped. */
  corrupt: Schema.optionalKey(Selection),
  /** Blocks of which only the first half is sent, and then the end. */
  truncate: Schema.optionalKey(Selection),
  fills: Schema.optionalKey(Schema.Struct({
    /** From a block's upload to its fill, at least. */
    delay_ms: Schema.optionalKey(Millis),
    /** No fill is sent meanwhile. */
    hold: Schema.optionalKey(Schema.Boolean),
    /** As many fills are forgotten. */
    drop: Schema.optionalKey(Positive)
  })),
  /** Forgets all announcements, once, at the PUT. */
  forget_announcements: Schema.optionalKey(Schema.Boolean),
  /** The addresses named to clients in place of the node's own; a block's index chooses one, in turn. */
  node_addresses: Schema.optionalKey(Schema.NonEmptyArray(Schema.NonEmptyString))
})
export type Document = typeof Document.Type

type Refusing = NonNullable<Document["refuse"]>[number]

export class Faults extends Context.Service<Faults, {
  readonly current: Effect.Effect<Document>
  /** Replaces the document and all counters. */
  set(document: Document): Effect.Effect<void>
  /** Waits, fails or never ends, as the call's faults ask for. */
  before(rpc: Rpc, blockIndex?: number): Effect.Effect<void, Injected>
  /** Which faults a downloaded block has. The digest has 64 hexadecimal digits. */
  ofBlock(
    index: number,
    digest: string
  ): { readonly lose: boolean; readonly corrupt: boolean; readonly truncate: boolean }
  readonly fills: () => { readonly delayMillis: number; readonly hold: boolean }
  /** Whether this fill is to be forgotten. */
  readonly dropsFill: () => boolean
  /** The address to name for a block, in place of the node's own. */
  address(own: string, blockIndex: number): string
}>()("@akave-async/devnet/Faults") {
  static readonly layer = Layer.effect(
    Faults,
    Effect.sync(() => {
      let document: Document = {}
      let calls = new Map<Refusing, number>()
      let dropped = 0

      const refusing = (fault: Refusing): boolean => {
        const count = (calls.get(fault) ?? 0) + 1
        calls.set(fault, count)
        return (fault.every === undefined || count % fault.every === 0) &&
          (fault.times === undefined || count <= fault.times * (fault.every ?? 1))
      }

      return Faults.of({
        current: Effect.sync(() => document),
        set: (next) =>
          Effect.sync(() => {
            document = next
            calls = new Map()
            dropped = 0
          }),
        before: (rpc, blockIndex) =>
          Effect.suspend(() => {
            const concerns = (fault: { readonly rpc: Rpc; readonly block_indexes?: ReadonlyArray<number> }) =>
              fault.rpc === rpc &&
              (fault.block_indexes === undefined ||
                (blockIndex !== undefined && fault.block_indexes.includes(blockIndex)))
            const { delay = [], refuse = [], stall = [] } = document
            if (stall.some(concerns)) return Effect.never
            const millis = delay.filter(concerns).reduce((sum, { ms }) => sum + ms, 0)
            const refused = refuse.filter(concerns).find(refusing)
            const after = refused === undefined
              ? Effect.void
              : Effect.fail(
                new Injected({
                  code: status[refused.code as keyof typeof status],
                  detail: refused.message ?? `The node was asked to refuse ${rpc}`
                })
              )
            return millis === 0 ? after : Effect.delay(after, millis)
          }),
        ofBlock: (index, digest) => {
          const is = (selection: Selection | undefined) => selection !== undefined && selects(selection, index, digest)
          return { lose: is(document.lose), corrupt: is(document.corrupt), truncate: is(document.truncate) }
        },
        fills: () => ({ delayMillis: document.fills?.delay_ms ?? 0, hold: document.fills?.hold ?? false }),
        dropsFill: () => dropped < (document.fills?.drop ?? 0) && ++dropped > 0,
        address: (own, blockIndex) => {
          const others = document.node_addresses
          return others === undefined ? own : others[blockIndex % others.length] ?? own
        }
      })
    })
  )
}

const selects = ({ cids = [], indexes = [], share = 0 }: Selection, index: number, digest: string): boolean =>
  indexes.includes(index) ||
  cids.some((cid) => digestOf(cid) === digest) ||
  Number.parseInt(digest.slice(0, 8), 16) / 0x1_0000_0000 < share
