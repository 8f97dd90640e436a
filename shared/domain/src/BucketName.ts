import { Schema } from "effect"

const addressLike = /^\d{1,3}(\.\d{1,3}){3}$/

/**
 * The name of a bucket, by the rules of S3 that the storage network's own S3 front shares: the contract itself would
 * take any text. Each rule is checked on its own, so that a refusal names the rule that was broken.
 */
export const BucketName = Schema.String.check(
  Schema.isBetweenLength(3, 63, {
    message: "a bucket name has 3 to 63 characters",
    toJsonSchema: () => ({ minLength: 3, maxLength: 63 })
  }),
  Schema.isPattern(/^[a-z0-9.-]*$/u, {
    message: "a bucket name has only lower-case letters a-z, digits, dots and hyphens"
  }),
  Schema.isPattern(/^[^.-](.*[^.-])?$/u, { message: "a bucket name starts and ends with a letter or digit" }),
  Schema.makeFilter((name: string) => !name.includes("..") || "a bucket name has no two dots in a row", {
    toJsonSchema: () => ({ not: { pattern: "\\.\\." } })
  }),
  Schema.makeFilter(
    (name: string) => !addressLike.test(name) || "a bucket name is not formatted as an IP address",
    { toJsonSchema: () => ({ not: { pattern: addressLike.source } }) }
  )
).pipe(Schema.brand("BucketName"))
export type BucketName = typeof BucketName.Type

/** The name as one token of a NATS subject: a dot separates tokens there, and no name has an underscore. */
export const toToken = (name: BucketName): string => name.replaceAll(".", "_")

/** The name that {@link toToken} made into this token. */
export const fromToken = (token: string): string => token.replaceAll("_", ".")
