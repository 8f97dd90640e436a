/** What runtimes have for files, each in its own way. */

/** A hash of bytes as they come. */
export interface Hash {
  readonly update: (bytes: Uint8Array) => unknown
  /** Its bytes; nothing can be added any more. */
  readonly digest: () => Uint8Array
}

/** A file on this machine. */
export interface OnDisk {
  /** In bytes. */
  readonly size: number
  /** Its bytes, from the first one on. */
  readonly open: () => AsyncIterable<Uint8Array>
}

export interface Platform {
  /** A new SHA-256. */
  readonly sha256: () => Hash
  /** Whether the body of a request can be a stream; where it can't, it is a Blob. */
  readonly hasRequestStreams: boolean
  /** The file at a path, which fails with {@link ArgumentInvalid} where there is none; undefined where there are no paths. */
  readonly fileAt: ((path: string) => Promise<OnDisk>) | undefined
}
