/** What is restored: events that are known to be whole, from backup files or from the archive. */
import type * as Log from "@akave-async/domain/Log"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as HashChain from "@akave-async/eventing/HashChain"
import * as Archive from "@akave-async/read-model/Archive"
import * as Checkpoint from "@akave-async/read-model/Checkpoint"
import { Effect, Schema, Stream } from "effect"
import * as BackupFile from "./BackupFile.ts"
import * as BackupFiles from "./BackupFiles.ts"
import * as BackupReader from "./BackupReader.ts"

/** Nothing was restored, or no more than before. */
export class RestoreRefused extends Schema.TaggedError<RestoreRefused>()("RestoreRefused", { reason: Schema.String }) {
  override readonly message = this.reason
}

/** One stream, as it is to be. */
export interface Wanted extends Pick<BackupFile.Part, "name" | "prefix" | "kind"> {
  readonly last: number
  /** The hash chain's hash after the last. */
  readonly hash: Uint8Array
}

/** Where events come from that are known to be whole. */
export interface Source<E, R> {
  readonly from: (typeof Log.LogRestored.Type)["from"]
  /** The log first. */
  readonly streams: ReadonlyArray<Wanted>
  /** All events, each stream's in order. */
  readonly events: Stream.Stream<ReadonlyArray<BackupFile.Placed>, E, R>
}

/** What these files have, each of which follows on the one before. */
export const ofFiles = Effect.fnUntraced(function*(files: ReadonlyArray<string>) {
  const streams = yield* BackupFiles.verify(files)
  const begun = streams.find(({ first }) => first !== 1)
  if (begun !== undefined) {
    return yield* new BackupFile.BackupInvalid({
      file: files[0] ?? "",
      problem: `it begins with event ${begun.first} of ${begun.name}: name the files that it follows on before it`
    })
  }
  const events = Stream.flatMap(Stream.fromIterable(files), BackupReader.read).pipe(Stream.map(({ events }) => events))
  return { from: "backup", streams, events } satisfies Source<BackupFile.BackupInvalid, never>
})

/** What the archive has, if its hash chain is that of the checkpoint. */
export const ofArchive = Effect.gen(function*() {
  const { prefix, stream } = yield* EventLogJetStream.eventsConfig
  const { hash, sequence: last } = yield* Checkpoint.checkpoint()
  const events = Archive.events(1, last)
  let found = 0
  let chain = HashChain.genesis
  yield* Stream.runForEach(events, (event) => {
    const isNext = event.sequence === found + 1
    found = event.sequence
    chain = HashChain.after(chain, event)
    return isNext ? Effect.void : new RestoreRefused({ reason: `The archive has no event ${event.sequence - 1}` })
  })
  if (found !== last || BackupFile.hexOf(chain) !== BackupFile.hexOf(hash)) {
    return yield* new RestoreRefused({
      reason: found === last
        ? "The archive was changed: its hash chain does not end with the hash of the read model's checkpoint"
        : `The archive ends at event ${found}, and the read model's checkpoint at event ${last}`
    })
  }
  const wanted: Wanted = { name: stream, prefix, kind: "events", last, hash }
  return {
    from: "archive",
    streams: [wanted],
    events: events.pipe(Stream.mapArray((events) => [events.map((event) => ({ stream, event }))] as const))
  } satisfies Source<unknown, unknown>
})

/** The hash chain's hash after an event of a stream. */
export const hashAt = <E, R>({ events }: Source<E, R>, name: string, sequence: number) =>
  Stream.runFold(events, () => HashChain.genesis, (hash, events) => {
    for (const { event, stream } of events) {
      if (stream === name && event.sequence <= sequence) hash = HashChain.after(hash, event)
    }
    return hash
  })
