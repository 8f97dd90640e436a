/** Memory of chunks and blocks, used again: what is allocated anew for each of them is collected too late to keep memory small. */

export interface Buffers {
  /** So many bytes, whose content is arbitrary. */
  take(size: number): Uint8Array<ArrayBuffer>
  /** Takes a buffer back that nothing uses any more. */
  give(buffer: ArrayBufferLike): void
}

/** Buffers that wait for their next use, at most: the blocks of a chunk, and some chunks. */
const mostSpare = 40

export const make = (): Buffers => {
  const spare: Array<ArrayBuffer> = []
  return {
    take: (size) => {
      const found = spare.findIndex(({ byteLength }) => byteLength >= size && byteLength <= 2 * size)
      const [buffer = new ArrayBuffer(size)] = found < 0 ? [] : spare.splice(found, 1)
      return new Uint8Array(buffer, 0, size)
    },
    give: (buffer) => {
      if (buffer instanceof ArrayBuffer && buffer.byteLength > 0 && spare.length < mostSpare) spare.push(buffer)
    }
  }
}
