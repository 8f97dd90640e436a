/** What is reported of an expected failure, in one sentence. */
import { Config, Predicate, Schema, SchemaIssue } from "effect"

const issues = SchemaIssue.makeFormatterStandardSchemaV1()

/** The failure's own message, the setting that is wrong, or the address that is taken; undefined where it says nothing of the kind. */
export const sentenceOf = (failure: unknown): string | undefined => {
  if (failure instanceof Config.ConfigError && Schema.isSchemaError(failure.cause)) {
    return issues(failure.cause.issue).issues
      .map(({ message, path = [] }) => `${path.map(String).join(".")} is missing or wrong: ${message}`).join("; ")
  }
  if (!Predicate.hasProperty(failure, "message")) return undefined
  const { cause } = Predicate.hasProperty(failure, "cause") ? failure : { cause: undefined }
  if (Predicate.hasProperty(cause, "code") && cause.code === "EADDRINUSE" && Predicate.hasProperty(cause, "port")) {
    return `Port ${cause.port} is taken; set another one`
  }
  return Predicate.isString(failure.message) && failure.message !== "" ? failure.message : undefined
}
