/** Reads the lines of a backup file one after the other, each of which has to be the next one. */
import * as EventLine from "@akave-async/eventing/EventLine"
import * as HashChain from "@akave-async/eventing/HashChain"
import { Result, Schema, Stream } from "effect"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { pipeline } from "node:stream/promises"
import { createGunzip } from "node:zlib"
import { BackupInvalid, format, hexOf, Manifest, type Part, type Placed, Trailer } from "./BackupFile.ts"

const decodeManifest = Schema.decodeUnknownResult(Schema.fromJsonString(Manifest))
const decodeTrailer = Schema.decodeUnknownResult(Schema.fromJsonString(Trailer))
const decodeName = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.String))

/** No line is longer, in bytes: the largest event that nats-server can be set to take, in whichever form. */
const longestLine = 512 * 1024 * 1024
/** Bytes that are read at a time, uncompressed. */
const chunkSize = 1024 * 1024
const lineFeed = 0x0a

class Problem extends Error {}
const wrong = (problem: string): never => {
  throw new Problem(problem)
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The lines of each chunk, as they end in it, without their ends. */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<ReadonlyArray<Buffer>> {
  let begun: Array<Buffer> = []
  let length = 0
  for await (const chunk of chunks) {
    const lines: Array<Buffer> = []
    let start = 0
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      const rest = chunk.subarray(start, end)
      lines.push(begun.length === 0 ? rest : Buffer.concat([...begun, rest]))
      begun = []
      length = 0
      start = end + 1
    }
    if (start < chunk.length) begun.push(chunk.subarray(start))
    length += chunk.length - start
    if (length > longestLine) wrong(`it has a line of more than ${longestLine} bytes`)
    yield lines
  }
  if (begun.length > 0) wrong("it is cut off: its last line has no end")
}

async function* unpacked(file: string): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize })
  // What fails ends the reading of what is unpacked.
  pipeline(createReadStream(file), gunzip).catch(() => {})
  yield* gunzip
}

/** Reads the lines of one file, each of which has to be the next one. */
class Reader {
  readonly #sum = createHash("sha256")
  #line = 0
  #manifest: Manifest | undefined
  /** The part that is read, and how far it is. */
  #part = 0
  #next = 0
  #hash: Uint8Array = HashChain.genesis
  readonly #ends: Array<typeof Trailer.Type["streams"][number]> = []
  #isOver = false

  get manifest(): Manifest | undefined {
    return this.#manifest
  }

  /** The event of a line; undefined for the first and the last one. */
  read(bytes: Buffer): Placed | undefined {
    this.#line++
    if (this.#isOver) return wrong(`line ${this.#line} stands behind what has to be the last one`)
    const line = this.#text(bytes)
    if (this.#manifest === undefined) {
      this.#begin(line)
      this.#add(bytes)
      return undefined
    }
    const part = this.#manifest.streams[this.#part]
    if (part === undefined) {
      this.#end(line)
      return undefined
    }
    const placed = this.#event(line, part)
    this.#add(bytes)
    this.#hash = HashChain.next(this.#hash, HashChain.encode(placed.event))
    this.#next++
    this.#passOver()
    return placed
  }

  finish(): void {
    if (!this.#isOver) wrong("it is cut off: its last line is missing")
  }

  #text(bytes: Buffer): string {
    try {
      return utf8.decode(bytes)
    } catch {
      return wrong(`line ${this.#line} is no UTF-8 text`)
    }
  }

  #add(bytes: Buffer): void {
    this.#sum.update(bytes).update("\n")
  }

  #begin(line: string): void {
    const manifest = Result.getOrElse(
      decodeManifest(line),
      () => wrong(`its first line is not that of the format "${format}"`)
    )
    const [log, ...ledgers] = manifest.streams
    const names = new Set(manifest.streams.map(({ name }) => name))
    if (log.kind !== "events" || ledgers.some(({ kind }) => kind === "events") || names.size <= ledgers.length) {
      wrong("its first line does not name one event log, and then ledgers")
    }
    for (const { first_sequence, last_sequence, name } of manifest.streams) {
      if (last_sequence < first_sequence - 1) wrong(`its first line has no range of events of ${name}`)
    }
    this.#manifest = manifest
    this.#enter()
    this.#passOver()
  }

  #enter(): void {
    const part = this.#manifest?.streams[this.#part]
    if (part === undefined) return
    this.#next = part.first_sequence
    this.#hash = Buffer.from(part.hash_before, "hex")
  }

  /** Goes on to the next part whose events are not all read. */
  #passOver(): void {
    for (let part = this.#manifest?.streams[this.#part]; part !== undefined && this.#next > part.last_sequence;) {
      this.#ends.push({ name: part.name, events: this.#next - part.first_sequence, hash_after: hexOf(this.#hash) })
      this.#part++
      this.#enter()
      part = this.#manifest?.streams[this.#part]
    }
  }

  #event(line: string, { name }: Part): Placed {
    const [head, quoted] = /^\{"stream":("(?:[^"\\]|\\.)*"),/.exec(line) ?? []
    const stream = quoted === undefined ? undefined : Result.getOrUndefined(decodeName(quoted))
    const event = Result.getOrUndefined(EventLine.fromLine(head === undefined ? line : `{${line.slice(head.length)}`))
    if (stream === undefined || event === undefined) {
      return wrong(`line ${this.#line} is no event, and has to be event ${this.#next} of ${name}`)
    }
    if (stream !== name || event.sequence !== this.#next) {
      return wrong(
        `line ${this.#line} has event ${event.sequence} of ${stream}, and has to have event ${this.#next} of ${name}`
      )
    }
    return { stream, event }
  }

  #end(line: string): void {
    const trailer = Result.getOrElse(
      decodeTrailer(line),
      () => wrong(`line ${this.#line} is not the one that has to be the last`)
    )
    if (trailer.sha256 !== this.#sum.digest("hex")) wrong("it was changed: its checksum is another")
    const isSame = trailer.streams.length === this.#ends.length &&
      this.#ends.every(({ events, hash_after, name }, n) => {
        const said = trailer.streams[n]
        return said?.name === name && said.events === events && said.hash_after === hash_after
      })
    if (!isSame) wrong("it was changed: its hash chains are others")
    this.#isOver = true
  }
}

const problemOf = (file: string) => (cause: unknown): BackupInvalid => {
  const code = cause instanceof Error && "code" in cause ? `${cause.code}` : ""
  const problem = cause instanceof Problem
    ? cause.message
    : code === "Z_BUF_ERROR"
    ? "it is cut off"
    : code.startsWith("Z_")
    ? `it is no gzip file, or is damaged (${(cause as Error).message})`
    : code === "ENOENT"
    ? "there is no such file"
    : `it can't be read (${cause instanceof Error ? cause.message : cause})`
  return new BackupInvalid({ file, problem })
}

/** What a file was found to have. */
export interface Contents {
  readonly manifest: Manifest
  readonly events: ReadonlyArray<Placed>
}

async function* contentsOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Contents> {
  const reader = new Reader()
  for await (const lines of linesOf(chunks)) {
    const events: Array<Placed> = []
    for (const line of lines) {
      const placed = reader.read(line)
      if (placed !== undefined) events.push(placed)
    }
    if (reader.manifest !== undefined) yield { manifest: reader.manifest, events }
  }
  reader.finish()
}

/** The events of a file, some at a time, each time with what its first line says. Whether it is whole is known at its end. */
export const read = (file: string): Stream.Stream<Contents, BackupInvalid> =>
  Stream.suspend(() => Stream.fromAsyncIterable(contentsOf(unpacked(file)), problemOf(file)))
