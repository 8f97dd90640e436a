/** Files through the gateway: their bytes are streams, both ways. */
import type { CallOptions } from "./CallOptions.ts"
import { counted, digestOf, type Source, sourceOf, type Uploadable, verified } from "./Content.ts"
import { ArgumentInvalid } from "./Errors.ts"
import type { CreateOptions, JobOf, Submitted } from "./Jobs.ts"
import { failureDelay } from "./Polling.ts"
import { webCrypto } from "./Signing.ts"
import { sleep } from "./Timing.ts"
import { mayPass, type Request, type Transport } from "./Transport.ts"
import type { WaitOptions } from "./Waits.ts"
import type { File, Job, Methods } from "./Wire.ts"

export interface UploadProgress {
  /** Whether the bytes are on their way to the gateway, or from there to the network. */
  readonly phase: "sending" | "storing"
  readonly bytesDone: number
  /** Undefined while it is not known. */
  readonly bytesTotal: number | undefined
}

export interface UploadOptions extends CallOptions {
  readonly contentType?: string
  /** `account`: encrypted with the account's key; not encrypted by default. */
  readonly encryption?: "none" | "account"
  /** 32 bytes: encrypted with this key, which the gateway does not keep. */
  readonly encryptionKey?: Uint8Array
  /** Whether the network gets the file's name encrypted too. */
  readonly encryptName?: boolean
  /** Of the 32 blocks of a chunk, how many may be lost; 16 by default. */
  readonly parityBlocks?: number
  /** Whether a file that is there is replaced. */
  readonly overwrite?: boolean
  /** The root CID of the file that is replaced, and no other. */
  readonly ifMatch?: string
  /** Bytes of a stream, where they are known, for progress. */
  readonly size?: number
  readonly onProgress?: (progress: UploadProgress) => void
}

export interface DownloadOptions extends CallOptions {
  /** Bytes from `start` to before `end`; to the end by default. */
  readonly range?: { readonly start: number; readonly end?: number }
  /** The key that the file was encrypted with, where it is the caller's own. */
  readonly encryptionKey?: Uint8Array
  readonly onProgress?: (progress: { readonly bytesDone: number; readonly bytesTotal: number }) => void
}

export interface Content {
  /** Bytes that come. */
  readonly size: number
  /** Bytes of the whole file. */
  readonly fileSize: number
  readonly rootCid: string
  readonly contentType: string
  /** The bytes. It fails where they end early or, of a whole file, are not those that were uploaded. */
  readonly stream: ReadableStream<Uint8Array>
  /** All of them, in memory. */
  bytes(): Promise<Uint8Array>
  text(): Promise<string>
}

const pathOf = (bucket: string, name: string): string => {
  if (bucket === "" || name === "") throw new ArgumentInvalid("give the bucket's name and the file's")
  return `/buckets/${encodeURIComponent(bucket)}/files/${name.split("/").map(encodeURIComponent).join("/")}`
}

const keyHeader = (key: Uint8Array | undefined): Readonly<Record<string, string>> => {
  if (key === undefined) return {}
  if (key.length !== 32) throw new ArgumentInvalid(`an encryption key has 32 bytes, not ${key.length}`)
  return { "x-encryption-key": btoa(String.fromCharCode(...key)) }
}

const queryOf = ({ encryptName, encryption, overwrite, parityBlocks }: UploadOptions): string => {
  const given = {
    ...(parityBlocks === undefined ? {} : { parity_blocks: `${parityBlocks}` }),
    ...(encryption === undefined ? {} : { encryption }),
    ...(encryptName === true ? { encrypt_name: "true" } : {}),
    ...(overwrite === true ? { overwrite: "true" } : {})
  }
  const query = `${new URLSearchParams(given)}`
  return query === "" ? "" : `?${query}`
}

/** The methods on files: those of the routes, and those whose bodies are files. */
export type FileMethods = Methods["files"] & {
  /**
   * Uploads a file: sends its bytes, asks for its upload, and waits for the end of its job. Fails with {@link JobFailed} where that
   * is no success. What is aborted while it is sent leaves nothing; afterwards the job goes on.
   */
  upload(
    bucket: string,
    name: string,
    what: Uploadable,
    options?: UploadOptions & Pick<WaitOptions, "onChange">
  ): Promise<JobOf<"file.upload">>
  /** Sends the bytes of a file and asks for its upload, and gives the job once they are stored durably. */
  submitUpload(
    bucket: string,
    name: string,
    what: Uploadable,
    options?: UploadOptions
  ): Promise<JobOf<"file.upload">>
  /** A file's bytes, or a range of them, from the network. */
  download(bucket: string, name: string, options?: DownloadOptions): Promise<Content>
  /** What is known of a file. */
  info(bucket: string, name: string, options?: CallOptions): Promise<File>
  /** Deletes a file: asks for it, and waits for the end of its job. */
  delete(bucket: string, name: string, options?: CreateOptions): Promise<JobOf<"file.delete">>
  /** Says whether everybody may read a file, and waits for the end of its job. */
  setAccess(bucket: string, name: string, isPublic: boolean, options?: CreateOptions): Promise<JobOf<"file.access">>
}

/** How often it is asked for a file that may be had in a moment. */
const mostTries = 4

// oxlint-disable-next-line max-lines-per-function -- its methods share the transport
export const make = (transport: Transport, methods: Methods["files"], submitted: Submitted): FileMethods => {
  const { credentials } = transport.settings
  const isSigned = credentials !== undefined && "secretKey" in credentials

  const submitUpload = async (
    bucket: string,
    name: string,
    what: Uploadable,
    options: UploadOptions = {}
  ): Promise<JobOf<"file.upload">> => {
    const path = `${pathOf(bucket, name)}${queryOf(options)}`
    const source: Source = sourceOf(what, options.size)
    const digest = await digestOf(source)
    if (isSigned && digest === undefined) {
      throw new ArgumentInvalid(
        "a signed upload needs the file's digest: give bytes, or a function that gives a stream; or use an API key"
      )
    }
    const { idempotencyKey = (await webCrypto()).randomUUID(), onProgress } = options
    const open = () =>
      onProgress === undefined ?
        source.open() :
        counted(source.open(), (bytesDone) => onProgress({ phase: "sending", bytesDone, bytesTotal: source.size }))
    const answer = await transport.send({
      method: "PUT",
      path,
      headers: {
        "content-type": options.contentType ?? "application/octet-stream",
        "idempotency-key": idempotencyKey,
        ...keyHeader(options.encryptionKey),
        ...(digest === undefined ? {} : { "content-digest": digest }),
        ...(options.ifMatch === undefined ? {} : { "if-match": `"${options.ifMatch}"` })
      },
      content: { open, signed: digest ?? "" },
      isRepeatable: true,
      isTriedOnce: !source.isRepeatable
    }, { timeout: Infinity, ...options })
    return answer.body as JobOf<"file.upload">
  }

  /** Opens an answer whose body is read later. */
  const opened = async (request: Request, { signal }: CallOptions): Promise<Response> => {
    for (let tries = 1;; tries++) {
      try {
        return await transport.open(request, signal ?? new AbortController().signal)
      } catch (error) {
        if (tries === mostTries || !mayPass(error)) throw error
        await sleep(failureDelay(tries, error), signal)
      }
    }
  }

  const download = async (bucket: string, name: string, options: DownloadOptions = {}): Promise<Content> => {
    const { onProgress, range } = options
    const response = await opened({
      method: "GET",
      path: pathOf(bucket, name),
      headers: {
        accept: "*/*",
        ...keyHeader(options.encryptionKey),
        ...(range === undefined
          ? {}
          : { range: `bytes=${range.start}-${range.end === undefined ? "" : range.end - 1}` })
      },
      isRepeatable: true
    }, options)
    const { headers } = response
    const size = Number(headers.get("content-length"))
    const total = /\/(\d+)$/.exec(headers.get("content-range") ?? "")?.[1]
    const digest = response.status === 206 ? undefined : headers.get("repr-digest") ?? undefined
    const body = response.body ?? new ReadableStream<Uint8Array>({ start: (controller) => controller.close() })
    const checked = await verified(body, { size, digest })
    const stream = onProgress === undefined ?
      checked :
      counted(checked, (bytesDone) => onProgress({ bytesDone, bytesTotal: size }))
    return {
      size,
      fileSize: total === undefined ? size : Number(total),
      rootCid: (headers.get("etag") ?? "").replaceAll("\"", ""),
      contentType: headers.get("content-type") ?? "application/octet-stream",
      stream,
      bytes: async () => new Uint8Array(await new Response(stream).arrayBuffer()),
      text: () => new Response(stream).text()
    }
  }

  const info = async (bucket: string, name: string, options?: CallOptions): Promise<File> => {
    const path = `${pathOf(bucket, name)}?metadata=true`
    return (await transport.send({ method: "GET", path, isRepeatable: true }, options)).body as File
  }

  const upload: FileMethods["upload"] = (bucket, name, what, options = {}) => {
    const { onChange, onProgress } = options
    const storing = (job: Job) => {
      onChange?.(job)
      const { bytes_done: bytesDone, bytes_total: bytesTotal } = job.progress ?? { bytes_done: 0, bytes_total: 0 }
      onProgress?.({ phase: "storing", bytesDone, bytesTotal })
    }
    // A large file takes its time: how long is up to the caller.
    const waiting = { timeout: Infinity, ...options, onChange: storing }
    return submitted<"file.upload">(submitUpload(bucket, name, what, options) as unknown as Promise<Job>, waiting)
  }

  return {
    ...methods,
    upload,
    submitUpload,
    download,
    info,
    delete: (bucket, name, options) => submitted<"file.delete">(methods.submitDelete(bucket, name, options), options),
    setAccess: (bucket, name, isPublic, options) =>
      submitted<"file.access">(methods.submitAccess(bucket, name, { is_public: isPublic }, options), options)
  }
}
