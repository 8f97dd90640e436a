/** Bytes of files that nobody keeps: the same for the same number, as AES makes them of zeros. */
import { createCipheriv, createHash } from "node:crypto"

const pieceSize = 1_048_576

/**
 * The bytes of a file, in pieces of 1 MiB at most.
 * @param file Which file: another number has other bytes.
 * @param onPiece Is called with how many bytes were given, after each piece was taken.
 */
export async function* bytesOf(file: number, size: number, onPiece: (given: number) => void = () => {}) {
  const iv = Buffer.alloc(16)
  iv.writeUInt32BE(file)
  const cipher = createCipheriv("aes-256-ctr", Buffer.alloc(32), iv)
  for (let at = 0; at < size; at += pieceSize) {
    const piece = cipher.update(Buffer.alloc(Math.min(pieceSize, size - at)))
    yield piece
    onPiece(at + piece.length)
  }
}

/** The SHA-256 of bytes as they come, in hexadecimal, and how many they are. */
export const digestOf = async (bytes: AsyncIterable<Uint8Array>) => {
  const hash = createHash("sha256")
  let size = 0
  for await (const piece of bytes) {
    hash.update(piece)
    size += piece.length
  }
  return { sha256: hash.digest("hex"), size }
}
