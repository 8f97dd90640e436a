/** Files as they come from a gateway: verified, over as many connections as it takes. */
import type { CallOptions } from "./CallOptions.ts"
import { toBase64 } from "./Content.ts"
import { keyHeader } from "./EncryptionKey.ts"
import { ArgumentInvalid, ConnectionFailed, ContentDamaged, UnexpectedAnswer } from "./Errors.ts"
import { failureDelay } from "./Polling.ts"
import { DownloadNotReady } from "./Problems.ts"
import { sleep, unlessAborted, within } from "./Timing.ts"
import { mayPass, type Transport } from "./Transport.ts"

export interface DownloadProgress {
  readonly bytesDone: number
  readonly bytesTotal: number
}

export interface DownloadOptions extends Omit<CallOptions, "idempotencyKey" | "timeout"> {
  /** How long nothing may come, in milliseconds; 120,000 unless the client says otherwise. The whole has no limit but `signal`. */
  readonly timeout?: number
  /** Bytes from `start` to before `end`; to the file's end without it. */
  readonly range?: { readonly start: number; readonly end?: number }
  /** The root CID of the file that the range is of: of any other one all bytes come. */
  readonly ifRange?: string
  /** The key that the file was encrypted with, where it is the caller's own. */
  readonly encryptionKey?: Uint8Array
  readonly onProgress?: (progress: DownloadProgress) => void
}

/** The bytes of a file. They are read once, in one of these ways. */
export interface FileContent {
  /** Bytes that come. */
  readonly size: number
  /** The place in the file of the first byte that comes. */
  readonly start: number
  /** Bytes of the whole file. */
  readonly fileSize: number
  readonly rootCid: string
  readonly contentType: string
  /**
   * The bytes as they come. Where the connection breaks, they go on over another one. The stream fails with {@link ContentDamaged}
   * where they end early or, of a whole file, are not those that were uploaded.
   */
  readonly stream: ReadableStream<Uint8Array>
  /** All of them, in memory. */
  bytes(): Promise<Uint8Array>
  blob(): Promise<Blob>
  text(): Promise<string>
}

/** How often something is asked for that may be had in a moment, while none of it comes. */
const mostTries = 4

const rangeField = ({ end, start }: { readonly start: number; readonly end?: number }): string => {
  const isOrdered = Number.isSafeInteger(start) && start >= 0 && (end === undefined || Number.isSafeInteger(end))
  if (!isOrdered || (end !== undefined && end <= start)) {
    throw new ArgumentInvalid("a range begins at a byte from 0 on, and ends before one behind it")
  }
  return `bytes=${start}-${end === undefined ? "" : end - 1}`
}

/** What an answer says of its bytes. */
const described = (response: Response) => {
  const { headers, status } = response
  const size = headers.get("content-length")
  const [, start = "0", total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get("content-range") ?? "") ?? []
  if (size === null || (status === 206 && total === undefined)) {
    throw new UnexpectedAnswer(response.url, status, "it does not say which bytes of the file come")
  }
  return {
    size: Number(size),
    start: Number(start),
    fileSize: Number(total ?? size),
    rootCid: (headers.get("etag") ?? "").replaceAll("\"", ""),
    contentType: headers.get("content-type") ?? "application/octet-stream",
    /** In base64, where all bytes come. */
    sha256: status === 206 ? undefined : /sha-256=:([A-Za-z0-9+/=]+):/.exec(headers.get("repr-digest") ?? "")?.[1]
  }
}

/** What ends a download. */
interface Ends {
  readonly signal: AbortSignal
  readonly timeout: number
  /** Frees the signal of the connection that there is now. */
  release: () => void
  /** Closes that connection: where the runtime has lost the signal, nothing else does. */
  close: () => void
}

/** Asks for bytes, and asks again what may be asked again: a link may be had a moment before what it leads to. */
const opened = async (
  transport: Transport,
  path: string,
  headers: Readonly<Record<string, string>>,
  ends: Ends
): Promise<Response> => {
  const { signal, timeout } = ends
  const asked = { method: "GET", path, headers: { accept: "*/*", "accept-encoding": "identity", ...headers } }
  for (let tries = 1;; tries++) {
    ends.release()
    const waiting = new AbortController()
    const abort = () => waiting.abort(signal.reason)
    signal.addEventListener("abort", abort, { once: true })
    ends.release = () => signal.removeEventListener("abort", abort)
    try {
      // The signal stays the connection's while its bytes are read.
      return await within(timeout, signal, (late) => {
        late.addEventListener("abort", () => waiting.abort(late.reason), { once: true })
        return transport.open({ ...asked, isRepeatable: true }, waiting.signal)
      })
    } catch (error) {
      if (signal.aborted) throw signal.reason
      if (tries === mostTries || !(mayPass(error) || error instanceof DownloadNotReady)) throw error
      await sleep(failureDelay(tries, error) * (transport.settings.pace ?? 1), signal)
    }
  }
}

/** Opens the bytes at a path; undefined where they are as the headers say that the caller has them. */
export const open = async (
  transport: Transport,
  path: string,
  options: DownloadOptions = {},
  more: Readonly<Record<string, string>> = {}
): Promise<FileContent | undefined> => {
  const { encryptionKey, ifMatch, ifRange, onProgress, range, timeout = transport.settings.timeout } = options
  const key = keyHeader(encryptionKey)
  const ending = new AbortController()
  const abort = () => ending.abort(options.signal?.reason)
  const ends: Ends = { signal: ending.signal, timeout, release: () => {}, close: () => {} }
  options.signal?.throwIfAborted()
  options.signal?.addEventListener("abort", abort, { once: true })
  const released = () => options.signal?.removeEventListener("abort", abort)
  try {
    const response = await opened(transport, path, {
      ...key,
      ...(range === undefined ? {} : { range: rangeField(range) }),
      ...(ifRange === undefined ? {} : { "if-range": `"${ifRange}"` }),
      ...(ifMatch === undefined ? {} : { "if-match": `"${ifMatch}"` }),
      ...more
    }, ends)
    if (response.status === 304) return released(), undefined
    const { sha256, ...facts } = described(response)
    const goOn = (at: number) =>
      opened(transport, path, {
        ...key,
        range: rangeField({ start: facts.start + at, end: facts.start + facts.size }),
        "if-range": `"${facts.rootCid}"`
      }, ends)
    const pieces = whole(transport, response, { ...facts, ends, sha256, goOn, onProgress })
    const stream = streamFrom(pieces, released, (reason) => {
      ending.abort(reason)
      ends.close()
    })
    return {
      ...facts,
      stream,
      bytes: async () => new Uint8Array(await new Response(stream).arrayBuffer()),
      blob: async () => {
        const blob = await new Response(stream).blob()
        return blob.slice(0, blob.size, facts.contentType)
      },
      text: () => new Response(stream).text()
    }
  } catch (error) {
    released()
    throw error
  }
}

interface Whole {
  readonly size: number
  readonly sha256: string | undefined
  /** Opens what comes from so many bytes on. */
  readonly goOn: (at: number) => Promise<Response>
  readonly onProgress: DownloadOptions["onProgress"]
  readonly ends: Ends
}

/** All bytes of an answer, from further answers where one breaks. */
async function* whole(
  transport: Transport,
  first: Response,
  { ends, goOn, onProgress, sha256, size }: Whole
): AsyncGenerator<Uint8Array> {
  const { signal, timeout } = ends
  const { debug, pace = 1, platform, url } = transport.settings
  const hash = sha256 === undefined ? undefined : platform.sha256()
  let reader = first.body?.getReader()
  const read = async () => reader?.read()
  ends.close = () => void reader?.cancel().catch(() => {})
  let [bytes, failures] = [0, 0]
  while (bytes < size) {
    try {
      const next = await within(timeout, signal, (late) => unlessAborted(late, read()))
      if (next === undefined || next.done) throw new ContentDamaged(`of ${size} bytes ${bytes} have come`)
      failures = 0
      bytes += next.value.length
      hash?.update(next.value)
      if (bytes > size) throw new ContentDamaged(`more than its ${size} bytes have come`)
      onProgress?.({ bytesDone: bytes, bytesTotal: size })
      yield next.value
    } catch (cause) {
      ends.close()
      if (signal.aborted) throw signal.reason
      const error = cause instanceof TypeError ? new ConnectionFailed(url, cause) : cause
      const isEnd = error instanceof ContentDamaged && bytes < size
      if (++failures === mostTries || !(isEnd || mayPass(error))) throw error
      debug(`goes on from byte ${bytes}: ${error instanceof Error ? error.message : ""}`)
      await sleep(failureDelay(failures, error) * pace, signal)
      const rest = await goOn(bytes)
      reader = rest.body?.getReader()
      if (rest.status !== 206) throw new ContentDamaged("it was replaced by another one meanwhile")
    }
  }
  // Its end is read too, so that the connection serves the next call.
  await within(timeout, signal, (late) => unlessAborted(late, read())).catch(() => {})
  if (hash !== undefined && toBase64(hash.digest()) !== sha256) {
    throw new ContentDamaged("the bytes that have come are not those of the file")
  }
}

/** Pieces as a stream; where it is not read to its end, the connection is closed. */
const streamFrom = (
  pieces: AsyncGenerator<Uint8Array>,
  released: () => void,
  close: (reason: unknown) => void
): ReadableStream<Uint8Array> =>
  new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      try {
        const next = await pieces.next()
        if (!next.done) return controller.enqueue(next.value)
        released()
        controller.close()
      } catch (error) {
        released()
        close(error)
        throw error
      }
    },
    cancel: (reason) => {
      released()
      close(reason)
    }
  }, { highWaterMark: 0 })
