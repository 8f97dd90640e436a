/** A thread that encodes and decodes chunks for `ChunkCoder`, one after the other. */
import { Result } from "effect"
import { parentPort } from "node:worker_threads"
import * as ChunkCodec from "./ChunkCodec.ts"
import { type Answer, buffersOf, type Question } from "./Messages.ts"

/** Node lends small buffers from a common one, which can't be moved. */
const movable = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  bytes.buffer instanceof ArrayBuffer && 2 * bytes.length >= bytes.buffer.byteLength
    ? bytes as Uint8Array<ArrayBuffer>
    : new Uint8Array(bytes)

const answerTo = (question: Question): { readonly answer: Answer; readonly moved: ReadonlyArray<ArrayBuffer> } => {
  const { id } = question
  if (question._tag === "Encode") {
    const { buffer, options, plaintext } = question
    const spare = buffersOf([plaintext])
    const chunk = ChunkCodec.encodeChunk(plaintext, options, buffer)
    return { answer: { id, spare, _tag: "Encoded", chunk }, moved: [...spare, ...buffersOf([buffer])] }
  }
  const spare = buffersOf(question.payloads)
  const decoded = ChunkCodec.decodeChunk(question.payloads, question.options)
  if (Result.isFailure(decoded)) {
    return { answer: { id, spare, _tag: "Failed", error: { ...decoded.failure } }, moved: spare }
  }
  // What is one block as it was is both.
  const plaintext = spare.some((buffer) => buffer === decoded.success.buffer)
    ? new Uint8Array(decoded.success)
    : movable(decoded.success)
  return { answer: { id, spare, _tag: "Decoded", plaintext }, moved: [...spare, plaintext.buffer] }
}

parentPort?.on("message", (question: Question) => {
  const { answer, moved } = answerTo(question)
  parentPort?.postMessage(answer, [...moved])
})
