/** Where a job's file is on the network. */
import type { Address } from "@akave-async/domain/Ethereum"
import { FileId } from "@akave-async/domain/Ethereum"
import { fileId } from "@akave-async/sdk/FileId"
import { named } from "@akave-async/sdk/files/FileContract"

interface OnFile {
  readonly owner: Address
  readonly request: { readonly bucketName: string; readonly name: string; readonly nameOnWire?: string }
}

/** The names that the network knows, and the ids that follow from them. */
export const placeOf = ({ owner, request: { bucketName, name, nameOnWire = name } }: OnFile) => {
  const ids = named(bucketName, owner, nameOnWire)
  return { ...ids, bucketName, owner, from: owner, id: FileId.make(fileId(ids.bucketId, nameOnWire)) }
}
