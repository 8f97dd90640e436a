import { Context, Effect, Layer, Schema } from "effect"
import { join } from "node:path"
import * as Journal from "./Journal.ts"
import { NodeFolder } from "./NodeFolder.ts"

/** A block of a chunk: its digest (64 hexadecimal digits) and its encoded size in bytes. */
const Block = Schema.Tuple([Schema.String, Schema.Int])

/** A chunk that a client is about to upload, or has uploaded. */
export const Announcement = Schema.Struct({
  fileId: Schema.String,
  index: Schema.Int,
  /** Digest of the chunk's CID. */
  chunk: Schema.String,
  /** Length of the plaintext in bytes; 0 where it is not known. */
  size: Schema.Int,
  blocks: Schema.Array(Block),
  /** Whether the bucket's owner stands behind it: by a block that the owner signed, or by the chain. */
  isCertain: Schema.Boolean
})
export type Announcement = typeof Announcement.Type

/** The place of a block: what the chain calls filled or not. */
export const Place = Schema.Struct({ fileId: Schema.String, chunkIndex: Schema.Int, blockIndex: Schema.Int })
export type Place = typeof Place.Type
export const keyOf = ({ blockIndex, chunkIndex, fileId }: Place): string => `${fileId}/${chunkIndex}/${blockIndex}`

/** A stored block at its place. */
export const Reference = Schema.Struct({
  ...Place.fields,
  /** Digest of the block. */
  digest: Schema.String,
  /** Digest of the chunk's CID. */
  chunk: Schema.String
})
export type Reference = typeof Reference.Type

/** What the chain has to be told of a block. */
export const Fill = Schema.Struct({
  ...Place.fields,
  digest: Schema.String,
  bucketId: Schema.String,
  fileName: Schema.String,
  /** 0x and hexadecimal digits. */
  nonce: Schema.String,
  /** Seconds since 1970. */
  deadline: Schema.Int,
  signature: Schema.String
})
export type Fill = typeof Fill.Type

/** Each record sets a state, so that to read one twice changes nothing. */
const Record = Schema.TaggedUnion({
  Announced: { announcement: Announcement },
  /** Of one file, or of all. */
  Forgotten: { fileId: Schema.optionalKey(Schema.String) },
  Stored: { reference: Reference, fill: Schema.optionalKey(Fill) },
  Released: { references: Schema.Array(Reference) },
  Settled: { places: Schema.Array(Place) }
})
type Record = typeof Record.Type
const { Announced, Forgotten, Released, Settled, Stored } = Record.cases
const decode = Schema.decodeUnknownSync(Record)

/** Announcements of which no block has come: anyone can make them, so the oldest give way. */
export const mostUncertain = 4_096
/** The journal is written anew when it has more lines than this, and three quarters of them tell nothing any more. */
const leastRewritten = 4_096

/** What the node knows beside the chain, kept in a journal. Whatever is said here is on the disk when the effect ends. */
export class NodeState extends Context.Service<NodeState, {
  /** The announcement of a chunk of a file, by the digest of the chunk's CID. */
  announcement(fileId: string, chunk: string): Announcement | undefined
  /** Does nothing where a certain one is known and this one is not. */
  announce(announcement: Announcement): Effect.Effect<void, Journal.JournalFailed>
  /** Forgets the announcements of a file, or all. */
  forget(fileId?: string): Effect.Effect<void, Journal.JournalFailed>
  /** The references of a file, by {@link keyOf}. */
  references(fileId: string): ReadonlyMap<string, Reference>
  readonly files: () => ReadonlyArray<string>
  isReferenced(digest: string): boolean
  /** Adds a reference, which replaces another one at its place, and queues the fill, if any. Gives the one replaced. */
  store(reference: Reference, fill: Fill | undefined): Effect.Effect<Reference | undefined, Journal.JournalFailed>
  /** Drops these references, as far as they are still the ones at their places. */
  release(references: ReadonlyArray<Reference>): Effect.Effect<void, Journal.JournalFailed>
  /** The fills that are not settled, by {@link keyOf}, the oldest first. */
  readonly fills: ReadonlyMap<string, Fill>
  /** Takes these fills from the queue, as far as they are still the ones of their places. */
  settle(fills: ReadonlyArray<Fill>): Effect.Effect<void, Journal.JournalFailed>
  readonly counts: () => { readonly announcements: number; readonly references: number; readonly fills: number }
}>()("@akave-async/devnet/NodeState") {
  static readonly layer = Layer.effect(
    NodeState,
    // oxlint-disable-next-line max-lines-per-function -- its operations share the journal
    Effect.gen(function*() {
      const folder = yield* NodeFolder
      const tables = emptyTables()
      const path = join(folder.path, "state.journal")
      const journal = yield* Journal.open(path, (record) => {
        apply(tables, decode(record))
      })

      let isRewriting = false
      const rewrite = Effect.suspend(() => {
        const live = tables.announcements.size + tables.referenceCount + tables.fills.size
        if (isRewriting || journal.lines() < leastRewritten || journal.lines() < 4 * live) return Effect.void
        isRewriting = true
        return Effect.ensuring(
          journal.rewrite(() => recordsOf(tables)),
          Effect.sync(() => {
            isRewriting = false
          })
        )
      })
      yield* rewrite

      const append = (record: Record) => Effect.andThen(journal.append(record), rewrite)

      return NodeState.of({
        announcement: (fileId, chunk) => tables.announcements.get(`${fileId}/${chunk}`),
        announce: (announcement) =>
          Effect.suspend(() => {
            const record = Announced.make({ announcement })
            return apply(tables, record) === "unchanged" ? Effect.void : append(record)
          }),
        forget: (fileId) =>
          Effect.suspend(() => {
            const record = Forgotten.make(fileId === undefined ? {} : { fileId })
            return apply(tables, record) === "unchanged" ? Effect.void : append(record)
          }),
        references: (fileId) => tables.references.get(fileId) ?? new Map(),
        files: () => [...tables.references.keys()],
        isReferenced: (digest) => tables.uses.has(digest),
        store: (reference, fill) =>
          Effect.suspend(() => {
            const key = keyOf(reference)
            const before = tables.references.get(reference.fileId)?.get(key)
            const fillBefore = tables.fills.get(key)
            const record = Stored.make({ reference, ...(fill === undefined ? {} : { fill }) })
            apply(tables, record)
            return append(record).pipe(
              Effect.as(before),
              Effect.tapError(() =>
                Effect.sync(() => {
                  // It is not on the disk: as if it had not been said.
                  if (before === undefined) drop(tables, reference)
                  else put(tables, before)
                  if (fillBefore === undefined) tables.fills.delete(key)
                  else tables.fills.set(key, fillBefore)
                })
              )
            )
          }),
        release: (references) =>
          Effect.suspend(() => {
            const held = references.filter((one) => tables.references.get(one.fileId)?.get(keyOf(one)) === one)
            if (held.length === 0) return Effect.void
            const record = Released.make({ references: held })
            apply(tables, record)
            return append(record)
          }),
        fills: tables.fills,
        settle: (fills) =>
          Effect.suspend(() => {
            const known = fills.filter((fill) => tables.fills.get(keyOf(fill)) === fill)
            if (known.length === 0) return Effect.void
            const record = Settled.make({
              places: known.map(({ blockIndex, chunkIndex, fileId }) => ({ fileId, chunkIndex, blockIndex }))
            })
            apply(tables, record)
            return append(record)
          }),
        counts: () => ({
          announcements: tables.announcements.size,
          references: tables.referenceCount,
          fills: tables.fills.size
        })
      })
    })
  )
}

interface Tables {
  readonly announcements: Map<string, Announcement>
  /** Keys of those that are not certain, the oldest first. */
  readonly uncertain: Set<string>
  readonly references: Map<string, Map<string, Reference>>
  referenceCount: number
  /** References for each digest. */
  readonly uses: Map<string, number>
  readonly fills: Map<string, Fill>
}
const emptyTables = (): Tables => ({
  announcements: new Map(),
  uncertain: new Set(),
  references: new Map(),
  referenceCount: 0,
  uses: new Map(),
  fills: new Map()
})

function* recordsOf(tables: Tables): Generator<Record> {
  for (const announcement of tables.announcements.values()) yield Announced.make({ announcement })
  for (const file of tables.references.values()) {
    for (const [key, reference] of file) {
      const fill = tables.fills.get(key)
      yield Stored.make({ reference, ...(fill === undefined ? {} : { fill }) })
    }
  }
}

const apply = (tables: Tables, record: Record): "changed" | "unchanged" => {
  switch (record._tag) {
    case "Announced":
      return announce(tables, record.announcement)
    case "Forgotten":
      return forget(tables, record.fileId)
    case "Stored":
      put(tables, record.reference)
      if (record.fill !== undefined) tables.fills.set(keyOf(record.fill), record.fill)
      break
    case "Released":
      for (const one of record.references) {
        drop(tables, one)
        tables.fills.delete(keyOf(one))
      }
      break
    case "Settled":
      for (const place of record.places) tables.fills.delete(keyOf(place))
  }
  return "changed"
}

const announce = (tables: Tables, announcement: Announcement) => {
  const key = `${announcement.fileId}/${announcement.chunk}`
  const known = tables.announcements.get(key)
  if (known?.isCertain === true && !announcement.isCertain) return "unchanged"
  if (known !== undefined && JSON.stringify(known) === JSON.stringify(announcement)) return "unchanged"
  tables.announcements.set(key, announcement)
  tables.uncertain.delete(key)
  if (announcement.isCertain) return "changed"
  tables.uncertain.add(key)
  const [oldest] = tables.uncertain
  if (tables.uncertain.size > mostUncertain && oldest !== undefined) {
    tables.uncertain.delete(oldest)
    tables.announcements.delete(oldest)
  }
  return "changed"
}

const forget = (tables: Tables, fileId: string | undefined) => {
  const keys = [...tables.announcements].flatMap(([key, one]) =>
    fileId === undefined || one.fileId === fileId ? [key] : []
  )
  for (const key of keys) {
    tables.announcements.delete(key)
    tables.uncertain.delete(key)
  }
  return keys.length > 0 ? "changed" : "unchanged"
}

const put = (tables: Tables, reference: Reference) => {
  const before = tables.references.get(reference.fileId)?.get(keyOf(reference))
  if (before !== undefined) drop(tables, before)
  const file = tables.references.get(reference.fileId) ?? new Map<string, Reference>()
  file.set(keyOf(reference), reference)
  tables.references.set(reference.fileId, file)
  tables.referenceCount++
  tables.uses.set(reference.digest, (tables.uses.get(reference.digest) ?? 0) + 1)
}

/** Drops what is at that place, if it is of the same block. */
const drop = (tables: Tables, { blockIndex, chunkIndex, digest, fileId }: Reference) => {
  const file = tables.references.get(fileId)
  const key = keyOf({ fileId, chunkIndex, blockIndex })
  if (file?.get(key)?.digest !== digest) return
  file.delete(key)
  if (file.size === 0) tables.references.delete(fileId)
  tables.referenceCount--
  const uses = tables.uses.get(digest) ?? 0
  if (uses > 1) tables.uses.set(digest, uses - 1)
  else tables.uses.delete(digest)
}
