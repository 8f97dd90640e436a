/** Effects as handlers of gRPC calls. A call that the client gives up, or whose connection breaks, interrupts its effect. */
import {
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type ServerReadableStream,
  type ServerWritableStream,
  status
} from "@grpc/grpc-js"
import { Cause, Effect, Exit, Fiber, Option, Result, type Scope } from "effect"
import { createHash } from "node:crypto"
import { InvalidArgument, type Refusal, statusOf } from "./Refusals.ts"

/** Runs an effect for a call. */
type Fork = (effect: Effect.Effect<unknown>) => Fiber.Fiber<unknown>
type Cancellable = { on(event: "cancelled", listener: () => void): unknown }

/** Handlers whose effects are run by `fork`, each in a span of its own. */
export const handlers = (fork: Fork) => {
  /** Runs the effect, and answers with its outcome. */
  const answer = <A>(
    name: string,
    call: Cancellable,
    effect: Effect.Effect<A, Refusal>,
    succeed: (value: A) => void,
    fail: (error: { readonly code: status; readonly details: string }) => void
  ) => {
    const answered = effect.pipe(
      Effect.withSpan(`IpcNode.${name}`),
      Effect.onExit(Exit.match({
        onSuccess: (value) => Effect.sync(() => succeed(value)),
        onFailure: (cause) => {
          const refusal = Cause.findErrorOption(cause)
          if (Option.isSome(refusal)) return Effect.sync(() => fail(statusOf(refusal.value)))
          if (Cause.hasInterruptsOnly(cause)) return Effect.void
          fail({ code: status.INTERNAL, details: "The node failed" })
          return Effect.logError(`${name} failed`, cause)
        }
      })),
      Effect.exit
    )
    const fiber = fork(answered)
    call.on("cancelled", () => fork(Fiber.interrupt(fiber)))
  }

  return {
    unary:
      <A, B>(name: string, handle: (request: A) => Effect.Effect<B, Refusal>): handleUnaryCall<A, B> =>
      (call, callback) =>
        answer(name, call, handle(call.request), (response) => callback(null, response), (error) => callback(error)),

    /** `begin` checks the first message, and `end` gets what it says with all data. */
    clientStream: <A extends Segment, First extends { readonly size: number }, B>(
      name: string,
      begin: (first: A) => Result.Result<First, InvalidArgument>,
      end: (first: First, received: Received) => Effect.Effect<B, Refusal>
    ): handleClientStreamingCall<A, B> =>
    (call, callback) =>
      answer(
        name,
        call,
        Effect.flatMap(receive(call, begin), ([first, received]) => end(first, received)),
        (response) => callback(null, response),
        (error) => callback(error)
      ),

    /** Sends what the effect gives in messages of this many bytes at most; its scope ends when all is written. */
    serverStream: <A, B>(
      name: string,
      handle: (request: A) => Effect.Effect<Buffer, Refusal, Scope.Scope>,
      toMessage: (data: Buffer) => B,
      largestMessage: number
    ): handleServerStreamingCall<A, B> =>
    (call) =>
      answer(
        name,
        call,
        Effect.scoped(Effect.flatMap(handle(call.request), (bytes) => send(call, bytes, toMessage, largestMessage))),
        () => call.end(),
        (error) => call.emit("error", error)
      )
  }
}

/** A message that carries a part of the data. */
interface Segment {
  readonly data: Uint8Array
}
export interface Received {
  /** The data as it came, in order: nothing is copied. */
  readonly parts: ReadonlyArray<Uint8Array>
  readonly size: number
  /** SHA-256, 64 hexadecimal digits. */
  readonly digest: string
}

/** A first message by itself, as a stream of one. */
export const receiveOne = ({ data }: Segment): Received => ({
  parts: [data],
  size: data.length,
  digest: createHash("sha256").update(data).digest("hex")
})

/**
 * Reads a stream to its end, up to the size that its first message announces. The data stays in memory until the block is
 * found good, so that a stream that is refused or breaks never reaches the disk.
 */
const receive = <A extends Segment, B, First extends { readonly size: number }>(
  call: ServerReadableStream<A, B>,
  begin: (first: A) => Result.Result<First, InvalidArgument>
) =>
  Effect.callback<readonly [First, Received], InvalidArgument>((resume) => {
    let first: First | undefined
    const parts: Array<Uint8Array> = []
    const hash = createHash("sha256")
    let size = 0
    const refuse = (error: InvalidArgument) => {
      call.off("data", onData)
      call.off("end", onEnd)
      // The rest is thrown away.
      call.resume()
      resume(Effect.fail(error))
    }
    const onData = (message: A) => {
      if (first === undefined) {
        const begun = begin(message)
        if (Result.isFailure(begun)) return refuse(begun.failure)
        first = begun.success
      }
      const { data } = message
      size += data.length
      if (size > first.size) {
        return refuse(new InvalidArgument({ detail: `The block has more than its ${first.size} bytes` }))
      }
      if (data.length === 0) return
      hash.update(data)
      parts.push(data)
    }
    const onEnd = () => {
      if (first === undefined) return refuse(new InvalidArgument({ detail: "The stream has no message" }))
      resume(Effect.succeed([first, { parts, size, digest: hash.digest("hex") }]))
    }
    call.on("data", onData)
    call.on("end", onEnd)
    // A connection that breaks is reported as cancelled, too.
    call.on("error", () => undefined)
  })

/** Writes no faster than the client reads. */
const send = <A, B>(
  call: ServerWritableStream<A, B>,
  bytes: Buffer,
  toMessage: (data: Buffer) => B,
  largestMessage: number
) =>
  Effect.callback<void>((resume) => {
    let sent = 0
    const onDrain = () => {
      while (sent < bytes.length) {
        const end = Math.min(bytes.length, sent + largestMessage)
        const isRoom = call.write(toMessage(bytes.subarray(sent, end)))
        sent = end
        if (!isRoom && sent < bytes.length) {
          call.once("drain", onDrain)
          return
        }
      }
      resume(Effect.void)
    }
    onDrain()
    return Effect.sync(() => call.off("drain", onDrain))
  })
