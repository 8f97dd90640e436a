/**
 * A backup file: gzip (RFC 1952) of lines of JSON (NDJSON). The first line says what the file has of which streams, then comes a line
 * per event, one stream after the other and each in order, and the last line has the SHA-256 of all bytes before it.
 *
 * A file may follow on another one: its events begin behind that one's, where the hash chain goes on.
 */
import { Sha256 } from "@akave-async/domain/Log"
import * as EventLine from "@akave-async/eventing/EventLine"
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import { Effect, Schema, Stream } from "effect"
import { createHash } from "node:crypto"

export const format = "akave-async backup v1"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** What a file has of one stream. */
export const Part = Schema.Struct({
  /** Of the JetStream stream. */
  name: Schema.NonEmptyString,
  /** Of its subjects; the events' lines are without. */
  prefix: Schema.NonEmptyString,
  kind: Schema.Literals(["events", "ledger"]),
  /** One more than the last where nothing has come since the file before. */
  first_sequence: Schema.Int.check(Schema.isGreaterThan(0)),
  last_sequence: Count,
  /** The hash chain's hash before the first. */
  hash_before: Sha256
})
export type Part = typeof Part.Type

/** The first line. */
export const Manifest = Schema.Struct({
  format: Schema.Literal(format),
  /** When the backup was begun: ISO 8601. */
  time: Schema.String,
  /** The release that has written it. */
  release: Schema.String,
  /** The event log, and then the ledgers of wallets. */
  streams: Schema.NonEmptyArray(Part)
})
export type Manifest = typeof Manifest.Type

/** The last line. */
export const Trailer = Schema.Struct({
  sha256: Sha256,
  streams: Schema.Array(Schema.Struct({
    name: Schema.String,
    events: Count,
    /** The hash chain's hash after the last. */
    hash_after: Sha256
  }))
})

/** The file can't be used, and nothing was done with it. */
export class BackupInvalid extends Schema.TaggedError<BackupInvalid>()("BackupInvalid", {
  file: Schema.String,
  problem: Schema.String
}) {
  override readonly message = `${this.file} can't be used: ${this.problem}`
}

/** An event, and the name of its stream. */
export interface Placed {
  readonly stream: string
  readonly event: StoredEvent
}

export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** A part with its events, which must be all of it. */
export interface Source<E, R> extends Part {
  readonly events: Stream.Stream<StoredEvent, E, R>
}

/** The text of a file, uncompressed, as it comes. Fails where a stream does not give the events that it has to have. */
export const text = <E, R>(
  { sources, ...manifest }: Omit<Manifest, "format" | "streams"> & { readonly sources: ReadonlyArray<Source<E, R>> }
): Stream.Stream<string, E | BackupInvalid, R> =>
  Stream.suspend(() => {
    const sum = createHash("sha256")
    const ends: Array<typeof Trailer.Type["streams"][number]> = []
    const streams = sources.map(({ first_sequence, hash_before, kind, last_sequence, name, prefix }) => ({
      name,
      prefix,
      kind,
      first_sequence,
      last_sequence,
      hash_before
    }))
    const lines = (source: Source<E, R>) => {
      let hash: Uint8Array = Buffer.from(source.hash_before, "hex")
      let next = source.first_sequence
      const head = `{"stream":${JSON.stringify(source.name)},`
      const missing = () =>
        new BackupInvalid({ file: "The backup", problem: `${source.name} does not give its event ${next}` })
      const given = source.events.pipe(
        Stream.mapArrayEffect((events) => {
          const text: Array<string> = []
          for (const event of events) {
            if (event.sequence !== next) return Effect.fail(missing())
            next++
            hash = HashChain.next(hash, HashChain.encode(event))
            text.push(head, EventLine.toLine(event).slice(1), "\n")
          }
          return Effect.succeed([text.join("")] as const)
        })
      )
      const end = Stream.suspend(() => {
        if (next !== source.last_sequence + 1) return Stream.fail(missing())
        ends.push({ name: source.name, events: next - source.first_sequence, hash_after: hexOf(hash) })
        return Stream.empty
      })
      return Stream.concat(given, end)
    }
    return Stream.make(`${JSON.stringify({ format, ...manifest, streams })}\n`).pipe(
      Stream.concat(Stream.flatMap(Stream.fromIterable(sources), lines)),
      Stream.map((text) => {
        sum.update(text)
        return text
      }),
      Stream.concat(Stream.sync(() => `${JSON.stringify({ sha256: sum.digest("hex"), streams: ends })}\n`))
    )
  })
