/** The examples of the groups of routes that have files of their own for them. */
import * as Accounts from "./AccountExamples.ts"
import * as Explanation from "./ExplanationExamples.ts"
import * as Files from "./FileExamples.ts"
import * as Operations from "./OperationExamples.ts"
import * as Webhooks from "./WebhookExamples.ts"

export const problems = [...Accounts.problems, ...Files.problems, ...Webhooks.problems]

/** By the name of a schema in the document. */
export const examples = {
  ...Accounts.examples,
  ...Explanation.examples,
  ...Files.examples,
  ...Operations.examples,
  ...Webhooks.examples
}
