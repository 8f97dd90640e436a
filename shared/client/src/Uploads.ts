/** Sends files to a gateway. */
import type { CallOptions } from "./CallOptions.ts"
import { checked, digestField, digestOf, gathered, type Source, sourceOf, streamOf } from "./Content.ts"
import { contentTypeOf } from "./ContentType.ts"
import { keyHeader } from "./EncryptionKey.ts"
import { ArgumentInvalid } from "./Errors.ts"
import type { JobOf } from "./Jobs.ts"
import { fileAt, withQuery } from "./Paths.ts"
import { webCrypto } from "./Signing.ts"
import type { Content, Transport } from "./Transport.ts"

export interface UploadProgress {
  /** Whether the bytes are on their way to the gateway, or from there to the network. */
  readonly phase: "sending" | "storing"
  readonly bytesDone: number
  /** Undefined while it is not known. */
  readonly bytesTotal: number | undefined
}

export interface UploadOptions extends Omit<CallOptions, "timeout"> {
  /** How long nothing may go to the gateway, in milliseconds; 120,000 unless the client says otherwise. The whole has no limit but `signal`. */
  readonly timeout?: number
  /** That of a Blob, else the one that the ending of the file's name has, unless given. */
  readonly contentType?: string
  /** `account`: encrypted with the account's key, which the gateway has; not encrypted by default. */
  readonly encryption?: "none" | "account"
  /** 32 bytes: encrypted with this key, which the gateway does not keep. */
  readonly encryptionKey?: Uint8Array
  /** Whether the network gets the file's name encrypted too. */
  readonly encryptName?: boolean
  /** Of the 32 blocks of a chunk, how many may be lost; 16 by default. */
  readonly parityBlocks?: number
  /** Whether a file that is there is replaced. */
  readonly overwrite?: boolean
  /** The file's SHA-256, as 64 hex digits or 32 bytes: other bytes are refused. What can be read twice is hashed unless it is given. */
  readonly digest?: string | Uint8Array
  /** Bytes of a stream, where they are known. */
  readonly size?: number
  /** Gets how many bytes have been sent, and then how many are stored. Browsers report what is sent only at its begin and its end. */
  readonly onProgress?: (progress: UploadProgress) => void
}

const queryOf = ({ encryptName, encryption, overwrite, parityBlocks }: UploadOptions) => ({
  parity_blocks: parityBlocks,
  encryption,
  encrypt_name: encryptName === true ? "true" : undefined,
  overwrite: overwrite === true ? "true" : undefined
})

/** The body of an upload, and what becomes of it on its way. */
const contentOf = (
  source: Source,
  signed: string,
  { hasRequestStreams, onProgress }: {
    readonly hasRequestStreams: boolean
    readonly onProgress: UploadOptions["onProgress"]
  }
): Content => {
  let failure: unknown
  const report = (bytesDone: number) => onProgress?.({ phase: "sending", bytesDone, bytesTotal: source.size })
  async function* pieces(sent: () => void): AsyncGenerator<Uint8Array> {
    let bytes = 0
    report(bytes)
    try {
      for await (const piece of gathered(checked(source))) {
        bytes += piece.length
        yield piece
        sent()
        report(bytes)
      }
    } catch (error) {
      failure = error
      throw error
    }
  }
  const open = async (signal: AbortSignal, sent: () => void) => {
    failure = undefined
    const stream = streamOf(pieces(sent), signal)
    return hasRequestStreams ? stream : new Response(stream).blob()
  }
  return { open, signed, failure: () => failure }
}

/** Sends a file and asks for its upload; gives the job. */
export const submit = async (
  transport: Transport,
  bucket: string,
  name: string,
  what: unknown,
  options: UploadOptions = {}
): Promise<JobOf<"file.upload">> => {
  const { credentials, platform } = transport.settings
  const { contentType, encryptionKey, idempotencyKey, ifMatch, onProgress } = options
  const path = withQuery(fileAt(bucket, name), queryOf(options))
  const key = keyHeader(encryptionKey)
  const source = await sourceOf(what, options.size, platform)
  const isSigned = credentials !== undefined && "secretKey" in credentials
  if (isSigned && !source.isRepeatable && options.digest === undefined) {
    throw new ArgumentInvalid(
      "a pair of keys signs the file's SHA-256, and this stream can be read only once: give its digest, something that can be read twice, or an API key"
    )
  }
  const digest = options.digest === undefined ? await digestOf(source, platform) : digestField(options.digest)
  const { body } = await transport.send({
    method: "PUT",
    path,
    headers: {
      "content-type": contentType ?? source.contentType ?? contentTypeOf(name),
      "idempotency-key": idempotencyKey ?? (await webCrypto()).randomUUID(),
      ...key,
      ...(digest === undefined ? {} : { "content-digest": digest }),
      ...(ifMatch === undefined ? {} : { "if-match": `"${ifMatch}"` }),
      // So that what is too much is refused before it is sent. Browsers set it themselves.
      ...(platform.hasRequestStreams && source.size !== undefined ? { "content-length": `${source.size}` } : {})
    },
    content: contentOf(source, digest ?? "", { hasRequestStreams: platform.hasRequestStreams, onProgress }),
    isRepeatable: true,
    isTriedOnce: !source.isRepeatable
  }, options)
  return body as JobOf<"file.upload">
}
