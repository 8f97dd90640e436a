/** What a call can fail with. Each class has its own `_tag` and `code`; the message says what to do. */
import type { Job } from "./Wire.ts"

/** Every error of this client. */
export abstract class AkaveError extends Error {
  abstract readonly _tag: string
  /** Stable, for programs. */
  abstract readonly code: string

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** What the gateway reports as a problem (RFC 9457), with the problem's further fields. */
export class Problem extends AkaveError {
  readonly _tag: string = "Problem"
  readonly code: string
  /** HTTP's. */
  readonly status: number
  readonly title: string
  /** What `Retry-After` says, in milliseconds. */
  readonly retryAfter: number | undefined

  /**
   * @param body The problem as it came.
   * @param answer What the answer itself says.
   */
  constructor(
    body: Readonly<Record<string, unknown>>,
    answer: { readonly status: number; readonly retryAfter?: number | undefined }
  ) {
    const { code, detail, status: _status, title, type: _type, ...fields } = body
    super(String(detail ?? title ?? `the gateway has answered with ${answer.status}`))
    Object.assign(this, fields)
    this.code = String(code)
    this.title = String(title)
    this.status = answer.status
    this.retryAfter = answer.retryAfter
  }
}

/** The gateway could not be reached, or the connection broke. Whether it has seen the request is not known. */
export class ConnectionFailed extends AkaveError {
  readonly _tag = "ConnectionFailed"
  readonly code = "connection_failed"
  readonly url: string

  constructor(url: string, cause: unknown) {
    const { cause: inner = cause } = Object(cause)
    const reason = Object(inner).code ?? Object(inner).message ?? String(inner)
    super(`${url} can't be reached (${reason}): look whether the gateway runs there`, { cause })
    this.url = url
  }
}

/** The call took longer than it may. Whether the gateway has done what was asked is not known. */
export class CallTimeout extends AkaveError {
  readonly _tag = "CallTimeout"
  readonly code = "call_timeout"

  constructor(millis: number, cause?: unknown) {
    const last = cause instanceof Error ? `, and before: ${cause.message}` : ": ask again, or allow more time"
    super(`no answer within ${millis / 1000} s${last}`, { cause })
  }
}

/** What answered is not the gateway, or not one that this client knows. */
export class UnexpectedAnswer extends AkaveError {
  readonly _tag = "UnexpectedAnswer"
  readonly code = "unexpected_answer"
  readonly status: number

  constructor(url: string, status: number, beginning: string) {
    super(`${url} has answered with ${status} and something else than the gateway's JSON: ${beginning}`)
    this.status = status
  }
}

/** Credentials are there and can't be used. Nothing was sent. */
export class CredentialsInvalid extends AkaveError {
  readonly _tag = "CredentialsInvalid"
  readonly code = "credentials_invalid"
}

/** An argument can't be used. Nothing was sent. */
export class ArgumentInvalid extends AkaveError {
  readonly _tag = "ArgumentInvalid"
  readonly code = "argument_invalid"
}

/** The job that was waited for has ended otherwise than completed. */
export class JobFailed extends AkaveError {
  readonly _tag = "JobFailed"
  readonly code: string
  readonly job: Job

  constructor(job: Job) {
    const { code, message } = job.error ?? { code: job.status, message: `it was ${job.status}` }
    super(`job ${job.job_id} ${job.status === "cancelled" ? "was cancelled" : "has failed"}: ${message}`)
    this.code = code
    this.job = job
  }
}

/** The job had not ended when the wait did. It goes on: wait for it again. */
export class WaitEnded extends AkaveError {
  readonly _tag = "WaitEnded"
  readonly code = "wait_ended"
  readonly jobId: string
  /** What a shell is given to go on waiting. */
  readonly command: string

  constructor(jobId: string, reason: string, cause?: unknown) {
    const command = `akave-async job wait ${jobId}`
    super(`job ${jobId} has not ended ${reason}; it goes on, wait for it again: ${command}`, { cause })
    this.jobId = jobId
    this.command = command
  }
}

/** The bytes of a file that have come are not all, or not those that were uploaded. Don't use them. */
export class ContentDamaged extends AkaveError {
  readonly _tag = "ContentDamaged"
  readonly code = "content_damaged"

  constructor(reason: string) {
    super(`the file did not come as it is (${reason}): ask for it again`)
  }
}

/** What came is not what the endpoint's secret has signed, or is too old. Don't trust it. */
export class SignatureInvalid extends AkaveError {
  readonly _tag = "SignatureInvalid"
  readonly code = "signature_invalid"
}
