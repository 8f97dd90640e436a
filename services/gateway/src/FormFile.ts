/** The file of a form (RFC 7578), as browsers send it: read as it comes, and never kept whole. */
import * as Problems from "@akave-async/api/Problems"
import { FileName } from "@akave-async/domain/FileName"
import { ByteSize, type Duration, Effect, Option, Schema, Stream } from "effect"
import { HttpServerRequest, Multipart } from "effect/http"
import { tooSlow } from "./FileBody.ts"
import { invalid } from "./FileProblems.ts"

export interface FormFile {
  readonly name: FileName
  readonly contentType: string | undefined
  readonly bytes: Stream.Stream<Uint8Array, unknown>
}

const decodeName = Schema.decodeUnknownEffect(FileName)
/** The longest field: a name. */
const maxField = ByteSize.kibibytes(4)
const noFile = invalid("The form has no file: send one part with a file, as an <input type=\"file\"> does")

/** Takes the one file of a form; what it is named by must come before it. What was taken of a form that is refused is discarded. */
export const taken = Effect.fnUntraced(function*<A extends { readonly discarded: Effect.Effect<void> }, E, R>(
  idleTimeout: Duration.Duration,
  take: (file: FormFile) => Effect.Effect<A, E, R>
) {
  const request = yield* HttpServerRequest.HttpServerRequest
  const type = request.headers["content-type"] ?? ""
  if (!/^multipart\/form-data\s*;/i.test(type)) {
    return yield* new Problems.UnsupportedMediaType({
      detail: "Send a form with a file as multipart/form-data, or the file itself by PUT to …/files/{file_name}"
    })
  }
  let named: string | undefined
  let answer: Option.Option<A> = Option.none()
  yield* request.multipartStream.pipe(
    Stream.mapError(() =>
      invalid("The form can't be read: it must be multipart/form-data, whole and with its boundary")
    ),
    // Of the file itself, whoever takes it watches over the time.
    Stream.timeoutOrElse({ duration: idleTimeout, orElse: () => Stream.fail(tooSlow(idleTimeout)) }),
    Stream.runForEach((part): Effect.Effect<void, E | Problems.InvalidRequest | Problems.RequestTimeout, R> =>
      Effect.gen(function*() {
        if (Multipart.isField(part)) {
          if (part.key !== "file_name") {
            return yield* invalid(`The form has a field ${JSON.stringify(part.key)}; the only one is file_name`)
          }
          if (Option.isSome(answer)) return yield* invalid("The field file_name comes before the file")
          named = part.value
          return
        }
        // A form whose file nobody has chosen has one without a name.
        if (!Multipart.isFile(part) || part.name === "") return
        if (Option.isSome(answer)) {
          return yield* invalid("The form has more than one file: send each by a request of its own")
        }
        const name = yield* Effect.mapError(decodeName(named ?? part.name), ({ message }) => invalid(message))
        const contentType = part.contentType === "" ? undefined : part.contentType
        answer = Option.some(yield* take({ name, contentType, bytes: part.content }))
      })
    ),
    Effect.provideService(Multipart.MaxFieldSize, maxField),
    Effect.onError(() => Option.isSome(answer) ? answer.value.discarded : Effect.void)
  )
  return Option.isSome(answer) ? answer.value : yield* noFile
})
