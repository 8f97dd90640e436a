import { Schema } from "effect"

/** An EVM address; upper and lower case mean the same address. */
export const Address = Schema.String.check(
  Schema.isPattern(/^0x[0-9a-fA-F]{40}$/u, { message: "an address is 0x and 40 hex digits" })
).pipe(Schema.brand("Address"))
export type Address = typeof Address.Type

/** A transaction's keccak256 hash: 0x and 64 lower-case hex digits. */
export const TransactionHash = Schema.String.check(
  Schema.isPattern(/^0x[0-9a-f]{64}$/u, { message: "a transaction hash is 0x and 64 lower-case hex digits" })
).pipe(Schema.brand("TransactionHash"))
export type TransactionHash = typeof TransactionHash.Type

/** A bucket's id in the Storage contract, keccak256(name ‖ owner): 0x and 64 lower-case hex digits. */
export const BucketId = Schema.String.check(
  Schema.isPattern(/^0x[0-9a-f]{64}$/u, { message: "a bucket id is 0x and 64 lower-case hex digits" })
).pipe(Schema.brand("BucketId"))
export type BucketId = typeof BucketId.Type

/** A file's id in the Storage contract, keccak256(bucket id ‖ name): 0x and 64 lower-case hex digits. */
export const FileId = Schema.String.check(
  Schema.isPattern(/^0x[0-9a-f]{64}$/u, { message: "a file id is 0x and 64 lower-case hex digits" })
).pipe(Schema.brand("FileId"))
export type FileId = typeof FileId.Type

/** The CID of a file's root: version 1, in lower-case base32. */
export const RootCid = Schema.String.check(
  Schema.isPattern(/^b[a-z2-7]{10,120}$/u, { message: "a root CID is b and lower-case base32" })
).pipe(Schema.brand("RootCid"))
export type RootCid = typeof RootCid.Type

/** An amount in wei. */
export const Wei = Schema.BigInt.check(Schema.isGreaterThanOrEqualToBigInt(0n))
