/** What ends a command otherwise than well, and how a shell learns of it. */
import * as Client from "@akave-async/client/effect"
import { Data } from "effect"
import { CliError } from "effect/cli"

/** What was given can't be used; nothing was sent. */
export class ArgumentsInvalid extends Data.TaggedError("ArgumentsInvalid")<{ readonly message: string }> {}

/** Of several things some did not come out well; each was reported. */
export class SomeFailed extends Data.TaggedError("SomeFailed")<{ readonly failed: number; readonly of: number }> {
  override readonly message = `${this.failed} of ${this.of} did not come out well`
}

/** What was audited or verified is not as it should be; each finding was reported. */
export class NotAsItShould extends Data.TaggedError("NotAsItShould")<{ readonly findings: number }> {
  override readonly message = `${this.findings} finding${this.findings === 1 ? "" : "s"}`
}

/** The codes that the process ends with. */
export const exitCodes = {
  general: 1,
  arguments: 2,
  authentication: 3,
  api: 4,
  timeout: 5,
  findings: 6,
  interrupted: 130
} as const

/** A file that was given can't be used, as commands for operators report it. */
const filesAtFault = new Set(["FileInvalid", "BackupInvalid"])

export const exitCodeOf = (error: unknown): number => {
  if (CliError.isCliError(error)) {
    return error._tag === "ShowHelp" && error.errors.length === 0
      ? 0
      : exitCodes.arguments
  }
  const isArgument = error instanceof ArgumentsInvalid || error instanceof Client.ArgumentInvalid
  if (isArgument || error instanceof Client.InvalidRequest) return exitCodes.arguments
  if (error instanceof Client.CredentialsInvalid) return exitCodes.authentication
  if (error instanceof Client.CallTimeout) return exitCodes.timeout
  if (error instanceof Client.WaitEnded) {
    return error.cause instanceof Client.CallTimeout
      ? exitCodes.timeout
      : exitCodes.general
  }
  if (error instanceof Client.Problem) {
    return error.status === 401 || error.status === 403 ? exitCodes.authentication : exitCodes.api
  }
  if (error instanceof NotAsItShould) return exitCodes.findings
  if (filesAtFault.has(Object(error)._tag)) return exitCodes.arguments
  if (error instanceof Client.JobFailed || error instanceof SomeFailed) return exitCodes.api
  return exitCodes.general
}

/** What to do, where the error itself does not say. */
const advice: Readonly<Record<string, string>> = {
  unauthorized:
    "set AKAVE_ASYNC_API_KEY, or AKAVE_ASYNC_PUBLIC_KEY and AKAVE_ASYNC_SECRET_KEY, or write ~/.akave-async/accounts.csv",
  forbidden: "use a key with that scope: akave-async whoami shows what yours may do",
  connection_failed: "name the gateway by --url or AKAVE_ASYNC_URL; akave-async doctor looks what is wrong"
}

/** What people are shown of an error. */
export const sentencesOf = (error: unknown): ReadonlyArray<string> => {
  if (!(error instanceof Error)) return [String(error)]
  const code = Object(error).code
  const hint = typeof code === "string" ? advice[code] : undefined
  return [error.message, ...(hint === undefined ? [] : [hint])]
}

/** The same for programs. */
export const jsonOf = (error: unknown): unknown => {
  const { _tag, cause: _, message, name: __, stack: ___, ...fields } = Object(error)
  return { error: { tag: _tag, message: error instanceof Error ? error.message : String(message), ...fields } }
}
