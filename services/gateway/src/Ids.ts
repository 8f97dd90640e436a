/** The ids of what a request makes. */
import { createHash, randomBytes } from "node:crypto"

/** 16 hex digits: of exact repeats of a signed request the same, else drawn. */
export const hexIdFor = (requestId: string | undefined): string =>
  requestId === undefined
    ? randomBytes(8).toString("hex")
    : createHash("sha256").update(requestId).digest("hex").slice(0, 16)
