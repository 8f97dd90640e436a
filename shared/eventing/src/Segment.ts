/** A segment of the archive: a run of events as the hash chain encodes them, compressed by zstd (RFC 8878) as one. */
import { promisify } from "node:util"
import { constants, zstdCompress, zstdDecompress } from "node:zlib"
import type { StoredEvent } from "./EventLog.ts"
import * as HashChain from "./HashChain.ts"

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)
const options = { params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 } }

/** @param encoded Events as {@link HashChain.encode} writes them, each by itself or some behind each other. */
export const pack = (encoded: ReadonlyArray<Uint8Array>): Promise<Buffer> => compress(Buffer.concat(encoded), options)

/** The events of a segment, in order. Rejects what is no segment. */
export const unpack = async (segment: Uint8Array): Promise<ReadonlyArray<StoredEvent>> =>
  HashChain.decode(await decompress(segment))
