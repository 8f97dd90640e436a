/** Encodes and decodes chunks, beside the thread that calls. */
import { Context, Effect, Layer, Schema } from "effect"
import { Worker } from "node:worker_threads"
import * as Buffers from "./Buffers.ts"
import * as ChunkCodec from "./ChunkCodec.ts"
import { DecryptionFailed } from "./Encryption.ts"
import { NotErasureCoded, TooFewShards } from "./ErasureCoding.ts"
import { type Answer, buffersOf, type Question, unpooled } from "./Messages.ts"

export class ChunkCoder extends Context.Service<ChunkCoder, {
  /** Memory for plaintexts and blocks, which goes back to where it is from by the calls below. */
  readonly buffers: Buffers.Buffers
  /** Encodes a chunk. The buffer behind the plaintext is of no use afterwards; that behind the blocks may be given back after its use. */
  encode(plaintext: Uint8Array, options: ChunkCodec.EncodeOptions): Effect.Effect<ChunkCodec.EncodedChunk>
  /** The plaintext of a chunk, from the payloads of verified blocks, whose buffers are of no use afterwards. */
  decode(
    payloads: ReadonlyArray<Uint8Array | undefined>,
    options: ChunkCodec.DecodeOptions
  ): Effect.Effect<Uint8Array, ChunkCodec.DecodeError>
}>()("@akave-async/sdk/ChunkCoder") {
  /** On so many threads, which start with the first chunks and end with the layer; one by default. */
  static readonly layer = (options: { readonly workers?: number } = {}): Layer.Layer<ChunkCoder> =>
    Layer.effect(ChunkCoder, make(options.workers ?? 1))

  /** On the thread that calls. */
  static readonly layerInline: Layer.Layer<ChunkCoder> = Layer.succeed(ChunkCoder, {
    buffers: Buffers.make(),
    encode: (plaintext, options) => Effect.sync(() => ChunkCodec.encodeChunk(plaintext, options)),
    decode: (payloads, options) => Effect.suspend(() => Effect.fromResult(ChunkCodec.decodeChunk(payloads, options)))
  })
}

const DecodeError = Schema.Union([NotErasureCoded, TooFewShards, DecryptionFailed])
const decodeError = Schema.decodeUnknownSync(DecodeError)

/** Beside this file, as TypeScript or compiled. */
const workerUrl = new URL(`./worker.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url)

/** Not all options of a program fit its threads: `--input-type`, for one. */
const execArgv = process.execArgv.filter((option) => option.startsWith("--disable-warning"))

interface Thread {
  readonly worker: Worker
  readonly waiting: Map<number, (answer: Effect.Effect<Answer>) => void>
}

const make = (workers: number) =>
  Effect.gen(function*() {
    const threads: Array<Thread> = []
    const buffers = Buffers.make()
    let lastId = 0
    yield* Effect.addFinalizer(() =>
      Effect.promise(() =>
        Promise.all(
          threads.splice(0).map(({ worker }) => {
            // The end of one that doesn't hold the process would not be waited for.
            worker.ref()
            return worker.terminate()
          })
        )
      )
    )

    const start = (): Thread => {
      const worker = new Worker(workerUrl, { execArgv })
      const thread: Thread = { worker, waiting: new Map() }
      const end = (cause: unknown) => {
        const place = threads.indexOf(thread)
        if (place >= 0) threads.splice(place, 1)
        for (const settle of thread.waiting.values()) settle(Effect.die(cause))
        thread.waiting.clear()
      }
      worker.unref()
      worker.on("message", (answer: Answer) => {
        for (const buffer of answer.spare) buffers.give(buffer)
        const settle = thread.waiting.get(answer.id)
        thread.waiting.delete(answer.id)
        if (thread.waiting.size === 0) worker.unref()
        // Last, since what waited goes on at once.
        settle?.(Effect.succeed(answer))
      })
      worker.once("error", end)
      worker.once("exit", () => end(new Error("a thread that codes chunks has ended")))
      threads.push(thread)
      return thread
    }
    /** One that has nothing to do, or a further one, or the one with the least to do. */
    const choose = (): Thread => {
      // oxlint-disable-next-line no-array-sort -- Node 18 has no toSorted
      const [least] = [...threads].sort((a, b) => a.waiting.size - b.waiting.size)
      return least === undefined || (least.waiting.size > 0 && threads.length < workers) ? start() : least
    }

    const ask = (question: Question, moved: ReadonlyArray<ArrayBuffer>) =>
      Effect.callback<Answer>((resume) => {
        const { waiting, worker } = choose()
        // First, since it throws where the question can't be sent, and then nothing is waited for.
        worker.postMessage(question, moved)
        waiting.set(question.id, resume)
        worker.ref()
        // It is answered all the same, to nobody.
        return Effect.sync(() => void waiting.set(question.id, () => {}))
      })

    const encode: ChunkCoder["Service"]["encode"] = Effect.fn("ChunkCoder.encode")(function*(given, options) {
      const plaintext = unpooled(given)
      const buffer = buffers.take(ChunkCodec.encodedLength(plaintext.length, options))
      const question: Question = { id: ++lastId, _tag: "Encode", plaintext, options, buffer }
      const answer = yield* ask(question, buffersOf([plaintext, buffer]))
      return answer._tag === "Encoded" ? answer.chunk : yield* unexpected
    })
    const decode: ChunkCoder["Service"]["decode"] = Effect.fn("ChunkCoder.decode")(function*(given, options) {
      const payloads = given.map((payload) => payload && unpooled(payload))
      const answer = yield* ask({ id: ++lastId, _tag: "Decode", payloads, options }, buffersOf(payloads))
      if (answer._tag === "Failed") return yield* Effect.fail(decodeError(answer.error))
      return answer._tag === "Decoded" ? answer.plaintext : yield* unexpected
    })
    return ChunkCoder.of({ buffers, encode, decode })
  })

const unexpected = Effect.die(new Error("a thread answered another question"))
