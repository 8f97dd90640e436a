/** gRPC over plaintext HTTP/2, as all of Akave's nodes speak it. */
import { type CallOptions, type ClientUnaryCall, Metadata, type ServiceError } from "@grpc/grpc-js"
import { Effect } from "effect"
import * as Calls from "./Calls.ts"
import { grpcCodes, NodeError } from "./Errors.ts"

/** Notices a dead connection within 40 s, also between calls, and tries a lost node again every 5 s at least. */
const channelOptions = {
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 5_000
}

/** The options of a channel to host:port. A proxy of the environment leads to the world outside, and not back to this machine. */
export const optionsFor = (address: string) =>
  /^(localhost|127\.[\d.]+|\[::1\]):/i.test(address)
    ? { ...channelOptions, "grpc.enable_http_proxy": 0 }
    : channelOptions

/** One call with one answer, which has this many milliseconds. */
export const unary = <A>(
  rpc: string,
  timeout: number,
  start: (
    metadata: Metadata,
    options: CallOptions,
    done: (error: ServiceError | null, answer: A) => void
  ) => ClientUnaryCall
): Effect.Effect<A, NodeError> =>
  Effect.callback<A, NodeError>((resume) => {
    const call = start(new Metadata(), { deadline: deadlineIn(timeout) }, (error, answer) =>
      resume(error === null ? Effect.succeed(answer) : Effect.fail(nodeError(rpc, error))))
    return Effect.sync(() =>
      call.cancel()
    )
  }).pipe(Calls.measured("grpc", rpc))

/** A deadline in so many milliseconds: grpc-js compares it with the system's clock, whatever clock the program runs on. */
export const deadlineIn = (timeout: number): number => Date.now() + timeout

/** The error of a call that ended with a status other than OK. */
export const nodeError = (rpc: string, { code, details }: Pick<ServiceError, "code" | "details">): NodeError =>
  new NodeError({ code: grpcCodes[code] ?? "UNKNOWN", details, rpc })

/** An answer that breaks the protocol. */
export const malformed = (rpc: string, details: string): NodeError => new NodeError({ code: "DATA_LOSS", details, rpc })
