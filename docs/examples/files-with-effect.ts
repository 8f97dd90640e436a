/** The same services with Effect: layers, typed errors, a stream in and a stream out: `node files-with-effect.ts NODE BUCKET`. */
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import { Buckets } from "@akave-async/sdk/Buckets"
import { Chain } from "@akave-async/sdk/Chain"
import { ChunkCoder } from "@akave-async/sdk/encoding/ChunkCoder"
import { Files } from "@akave-async/sdk/Files"
import { UploadJournal } from "@akave-async/sdk/files/Journal"
import { Wallet } from "@akave-async/sdk/Wallet"
import { Console, Effect, Layer, Stream } from "effect"

const [address = "127.0.0.1:5500", bucketName = `effect-${Date.now()}`] = process.argv.slice(2)
const at = { bucketName, name: "numbers.txt" }

const numbers = async function*() {
  for (let n = 1; n <= 1_000; n++) yield Buffer.from(`${n}\n`)
}

const program = Effect.gen(function*() {
  const buckets = yield* Buckets
  const files = yield* Files
  yield* buckets.createBucket(bucketName)

  const { rootCid } = yield* files.upload(at, numbers, {
    fillTimeout: "30 seconds",
    onProgress: ({ blocks, transactions }) =>
      process.stderr.write(`\r${transactions.mined} transactions mined, ${blocks.stored} blocks stored `)
  })
  yield* Console.log(rootCid)

  const { bytes } = yield* files.open(at)
  const lines = bytes.pipe(Stream.decodeText(), Stream.splitLines)
  yield* Console.log(`${yield* Stream.runCount(lines)} lines`)
  yield* Stream.runForEach(Stream.take(lines, 3), Console.log)

  yield* files.upload(at, numbers).pipe(
    Effect.catchTags({
      FileExists: ({ message }) => Console.log(message),
      InsufficientFunds: ({ balance, required }) => Console.log(`${required - balance} wei are missing`)
    })
  )
})

const Network = Chain.layer().pipe(Layer.provideMerge(AkaveNode.layer({ address })))
const Sdk = Layer.merge(Buckets.layer, Files.layer({ blockTimeout: "30 seconds" })).pipe(
  Layer.provide([Network, Wallet.layerConfig, ChunkCoder.layer(), UploadJournal.layerMemory])
)

Effect.runPromise(Effect.provide(program, Sdk))
