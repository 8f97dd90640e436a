/** Files through the gateway: their bytes are streams, both ways. */
import type { CallOptions } from "./CallOptions.ts"
import type { Uploadable } from "./Content.ts"
import * as Downloads from "./Downloads.ts"
import { ArgumentInvalid } from "./Errors.ts"
import type { CreateOptions, JobOf, Submitted } from "./Jobs.ts"
import { fileAt, withQuery } from "./Paths.ts"
import type { Transport } from "./Transport.ts"
import * as Uploads from "./Uploads.ts"
import type { WaitOptions } from "./Waits.ts"
import type { File, Job, Methods } from "./Wire.ts"

export interface InfoOptions extends CallOptions {
  /** Who is asked: the gateway's log, or the network, which knows less. */
  readonly source?: "log" | "network"
}

export interface RequestDownloadOptions extends CreateOptions {
  /** For how long the bytes are kept once they are there, in seconds; 3,600 by default. */
  readonly keepSeconds?: number
}

/** The methods on files: those of the routes, and those whose bodies are files. Names are those of a bucket and of a file in it. */
export type FileMethods<What = Uploadable> = Methods["files"] & {
  /**
   * Uploads a file: sends its bytes, asks for its upload, and waits for the end of its job. Fails with {@link JobFailed} where that
   * is no success. What is aborted while it is sent leaves nothing; afterwards the job goes on.
   */
  upload(
    bucket: string,
    name: string,
    what: What,
    options?: Uploads.UploadOptions & Pick<WaitOptions, "onChange">
  ): Promise<JobOf<"file.upload">>
  /** Sends the bytes of a file and asks for its upload, and gives the job once they are stored durably. */
  submitUpload(
    bucket: string,
    name: string,
    what: What,
    options?: Uploads.UploadOptions
  ): Promise<JobOf<"file.upload">>
  /** A file's bytes, or a range of them, from the network. */
  download(bucket: string, name: string, options?: Downloads.DownloadOptions): Promise<Downloads.FileContent>
  /** The same, but undefined where the file has this root CID still. */
  downloadIfChanged(
    bucket: string,
    name: string,
    rootCid: string,
    options?: Downloads.DownloadOptions
  ): Promise<Downloads.FileContent | undefined>
  /** Has a file fetched to the gateway, and waits until it is there: the job's result has a link that ends after a time. */
  requestDownload(bucket: string, name: string, options?: RequestDownloadOptions): Promise<JobOf<"file.download">>
  /** The bytes behind a link of {@link requestDownload}. */
  openDownload(url: string, options?: Downloads.DownloadOptions): Promise<Downloads.FileContent>
  /** What is known of a file. */
  info(bucket: string, name: string, options?: InfoOptions): Promise<File>
  /** Deletes a file: asks for it, and waits for the end of its job. */
  delete(bucket: string, name: string, options?: CreateOptions): Promise<JobOf<"file.delete">>
  /** Says whether everybody may read a file, and waits for the end of its job. */
  setAccess(bucket: string, name: string, isPublic: boolean, options?: CreateOptions): Promise<JobOf<"file.access">>
}

/** The files of a client whose platform takes paths where `What` has them. */
export const make = (transport: Transport, methods: Methods["files"], submitted: Submitted): FileMethods<never> => {
  const opened = async (path: string, options?: Downloads.DownloadOptions): Promise<Downloads.FileContent> => {
    const content = await Downloads.open(transport, path, options)
    // Nothing was said of what the caller has.
    if (content === undefined) throw new Error("the gateway says that the file has not changed")
    return content
  }

  const upload = (
    bucket: string,
    name: string,
    what: unknown,
    options: Uploads.UploadOptions & Pick<WaitOptions, "onChange"> = {}
  ) => {
    const { onChange, onProgress, signal } = options
    const storing = (job: Job) => {
      onChange?.(job)
      const { bytes_done: bytesDone = 0, bytes_total: bytesTotal } = job.progress ?? {}
      onProgress?.({ phase: "storing", bytesDone, bytesTotal })
    }
    const job = Uploads.submit(transport, bucket, name, what, options)
    return submitted<"file.upload">(job as unknown as Promise<Job>, {
      timeout: Infinity,
      onChange: storing,
      ...(signal === undefined ? {} : { signal })
    })
  }

  return {
    ...methods,
    upload,
    submitUpload: (bucket, name, what: unknown, options) => Uploads.submit(transport, bucket, name, what, options),
    download: async (bucket, name, options) => opened(fileAt(bucket, name), options),
    downloadIfChanged: async (bucket, name, rootCid, options) =>
      Downloads.open(transport, fileAt(bucket, name), options, { "if-none-match": `"${rootCid}"` }),
    requestDownload: async (bucket, name, { keepSeconds, ...options } = {}) =>
      submitted<"file.download">(
        methods.submitDownload(bucket, name, keepSeconds === undefined ? {} : { keep_seconds: keepSeconds }, options),
        options
      ),
    openDownload: async (url, options) => {
      if (!url.startsWith("/downloads/")) {
        throw new ArgumentInvalid("give the `url` of a download's result, which begins with /downloads/")
      }
      return opened(url, options)
    },
    info: async (bucket, name, { source, ...options } = {}) => {
      const path = withQuery(fileAt(bucket, name), { metadata: source === "network" ? "network" : "true" })
      return (await transport.send({ method: "GET", path, isRepeatable: true }, options)).body as File
    },
    delete: async (bucket, name, options) =>
      submitted<"file.delete">(methods.submitDelete(bucket, name, options), options),
    setAccess: async (bucket, name, isPublic, options) =>
      submitted<"file.access">(methods.submitAccess(bucket, name, { is_public: isPublic }, options), options)
  }
}
