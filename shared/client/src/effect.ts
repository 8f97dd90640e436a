/** The client of an Akave Async Gateway, with Effect: the same methods, with typed errors, and streams in place of iterators. */
import { Context, Effect, Layer, Stream } from "effect"
import type { CallOptions } from "./CallOptions.ts"
import { kindOf } from "./Client.ts"
import type { Uploadable } from "./Content.ts"
import type { FileContent } from "./Downloads.ts"
import * as Errors from "./Errors.ts"
import type { FileMethods } from "./Files.ts"
import { createClient, type LocalClient, type Options } from "./index.ts"
import type { ApiProblem } from "./Problems.ts"

export * from "./public.ts"

/** Every error of a call. */
export type ClientError =
  | ApiProblem
  | Errors.ConnectionFailed
  | Errors.CallTimeout
  | Errors.UnexpectedAnswer
  | Errors.ArgumentInvalid
  | Errors.ContentDamaged
  | Errors.JobFailed
  | Errors.WaitEnded
  | Errors.SignatureInvalid

/** The bytes of a file. They are read once, in one of these ways. */
export interface EffectContent extends Omit<FileContent, "stream" | "bytes" | "blob" | "text"> {
  /** The bytes as they come; what ends it early closes the connection. */
  readonly stream: Stream.Stream<Uint8Array, ClientError>
  /** All of them, in memory. */
  readonly bytes: Effect.Effect<Uint8Array, ClientError>
  readonly blob: Effect.Effect<Blob, ClientError>
  readonly text: Effect.Effect<string, ClientError>
}

/** What can be uploaded. A Stream is run once. */
export type EffectUploadable = Uploadable | string | Stream.Stream<Uint8Array, unknown>

/** What the Promise flavour has, as the Effect flavour has it. */
export type Effectful<A> = A extends (...args: infer Args) => infer Out
  ? Out extends Promise<infer B> ? (...args: Args) => Effect.Effect<Shown<B>, ClientError>
  : Out extends AsyncIterable<infer B> ? (...args: Args) => Stream.Stream<B, ClientError>
  : A
  : A extends string ? A
  : { readonly [Key in keyof A]: Effectful<A[Key]> }
type Shown<A> = A extends FileContent ? EffectContent : A

export type EffectClient = Effectful<
  Omit<LocalClient, "files"> & { readonly files: FileMethods<EffectUploadable> }
>

/** Anything else is a defect. */
const toClientError = (cause: unknown): ClientError => {
  if (cause instanceof Errors.AkaveError) return cause as ClientError
  throw cause
}

type Method = (...args: ReadonlyArray<unknown>) => unknown

/** The arguments with a signal in their options, which are at this place, that is aborted with the caller's and with ours. */
const withSignal = (args: ReadonlyArray<unknown>, at: number, signal: AbortSignal): ReadonlyArray<unknown> => {
  const options = Object(args[at]) as CallOptions
  const signals = options.signal === undefined ? signal : AbortSignal.any([options.signal, signal])
  return Array.from(
    { length: Math.max(args.length, at + 1) },
    (_, n) => n === at ? { ...options, signal: signals } : args[n]
  )
}

/** A Stream as what the Promise flavour takes. */
const uploadable = (value: unknown): unknown =>
  Stream.isStream(value) ? Stream.toAsyncIterable(value as Stream.Stream<Uint8Array, unknown>) : value

/** The methods that give the bytes of a file. */
const opening = new Set(["files.download", "files.downloadIfChanged", "files.openDownload"])

const contentOf = ({ blob, bytes, stream, text, ...facts }: FileContent): EffectContent => {
  const read = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: toClientError })
  return {
    ...facts,
    stream: Stream.fromReadableStream({ evaluate: () => stream, onError: toClientError }),
    bytes: read(bytes),
    blob: read(blob),
    text: read(text)
  }
}

/** A method as an Effect whose interruption ends the call, or as a Stream. */
const lifted = (path: string, method: Method): Method => {
  const { kind, optionsAt } = kindOf(path)
  return kind === "call"
    ? (...args) =>
      Effect.tryPromise({
        try: (signal) => Promise.resolve(method(...withSignal(args.map(uploadable), optionsAt, signal))),
        catch: toClientError
      }).pipe(
        Effect.map((value) => value !== undefined && opening.has(path) ? contentOf(value as FileContent) : value)
      )
    : (...args) =>
      Stream.unwrap(Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => new AbortController()),
          // An iterator that waits for its next value ends only by its signal.
          (controller) => Effect.sync(() => controller.abort())
        ),
        ({ signal }) =>
          Stream.fromAsyncIterable(
            method(...withSignal(args, optionsAt, signal)) as AsyncIterable<unknown>,
            toClientError
          )
      ))
}

const liftAll = (value: unknown, path = ""): unknown =>
  typeof value === "function"
    ? lifted(path, value as Method)
    : typeof value === "object" && value !== null
    ? Object.fromEntries(
      Object.entries(value).map(([key, one]) => [key, liftAll(one, path === "" ? key : `${path}.${key}`)])
    )
    : value

/** A client as {@link createClient} of the Promise flavour makes it, by the same options and from the same places. */
export class AkaveAsync extends Context.Service<AkaveAsync, EffectClient>()("@akave-async/client/AkaveAsync") {
  static readonly layer = (
    options: Options = {}
  ): Layer.Layer<AkaveAsync, Errors.CredentialsInvalid | Errors.ArgumentInvalid> =>
    Layer.effect(
      AkaveAsync,
      Effect.try({
        try: () => liftAll(createClient(options)) as EffectClient,
        catch: (cause) => {
          if (cause instanceof Errors.CredentialsInvalid || cause instanceof Errors.ArgumentInvalid) return cause
          throw cause
        }
      })
    )
}
