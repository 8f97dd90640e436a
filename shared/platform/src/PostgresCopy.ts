/** `COPY … FROM STDIN`, which `pg` speaks as far as the protocol, and leaves to others as a query. */
import { type Connection, type PoolClient, Query } from "pg"

/** What a connection of `pg` has for it, and its types leave out. */
interface Copying {
  sendCopyFromChunk(chunk: Uint8Array): void
  endCopyFrom(): void
}

class CopyIn extends Query {
  readonly #rows: Uint8Array

  constructor(text: string, rows: Uint8Array, callback: (error: Error | null) => void) {
    super(text, callback)
    this.#rows = rows
  }

  /** The server is ready for the rows. */
  handleCopyInResponse(connection: Connection & Copying) {
    connection.sendCopyFromChunk(this.#rows)
    connection.endCopyFrom()
  }
}

/** @param rows In COPY's text format; one chunk of the protocol, which takes 1 GB. */
export const copyIn = (client: PoolClient, text: string, rows: string): Promise<void> =>
  new Promise((resolve, reject) => {
    client.query(new CopyIn(text, Buffer.from(rows), (error) => error === null ? resolve() : reject(error)))
  })
