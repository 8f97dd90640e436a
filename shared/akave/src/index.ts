/** The SDK for programs that use Promises. For Effect, import the modules themselves: `@akave-async/sdk/Files` and the others. */
export * from "./Client.ts"
export type { Coding } from "./encoding/ChunkCodec.ts"
export { DecryptionFailed } from "./encoding/Encryption.ts"
export { NotErasureCoded } from "./encoding/ErasureCoding.ts"
export {
  BucketNotFound,
  ContractError,
  InvalidArgument,
  NodeError,
  RpcError,
  SettleTimeout,
  TransactionRefused,
  TransactionReverted,
  UnknownRevert
} from "./Errors.ts"
export type {
  DownloadOptions,
  FileChange,
  PartTransaction,
  Uploadable,
  UploadOptions,
  UploadProgress
} from "./Files.ts"
export * from "./files/FileErrors.ts"
