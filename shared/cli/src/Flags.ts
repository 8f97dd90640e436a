/** Flags and arguments that several commands take. */
import { Option, Stream } from "effect"
import { Argument, Flag } from "effect/cli"

const factors: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A time such as 500ms, 30s, 5m, 1h or 90d, in milliseconds; a number alone is seconds. */
export const millisOf = (text: string): Option.Option<number> => {
  const [, number, unit = "s"] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim()) ?? []
  return number === undefined ? Option.none() : Option.some(Number(number) * (factors[unit] ?? 0))
}

export const duration = (name: string) =>
  Flag.String(name).pipe(
    Flag.filterMap(millisOf, (text) => `${JSON.stringify(text)} is no time: write it as 500ms, 30s, 5m or 1h`),
    Flag.withMetavar("TIME")
  )

/** The flags of every command. */
export const shared = {
  url: Flag.String("url").pipe(
    Flag.withDescription("The gateway, else AKAVE_ASYNC_URL, else http://127.0.0.1:8000"),
    Flag.optional
  ),
  apiKey: Flag.String("api-key").pipe(
    Flag.withDescription("An API key; others may see it in the list of processes: prefer AKAVE_ASYNC_API_KEY"),
    Flag.optional
  ),
  account: Flag.String("account").pipe(
    Flag.withAlias("a"),
    Flag.withDescription("An account of ~/.akave-async/accounts.csv or ./accounts.csv, by its place or its label"),
    Flag.optional
  ),
  timeout: duration("timeout").pipe(
    Flag.withDescription("How long a command may take, waits included: 120s unless given"),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON value a line"), Flag.withDefault(false)),
  quiet: Flag.Boolean("quiet").pipe(
    Flag.withAlias("q"),
    Flag.withDescription("Print results only"),
    Flag.withDefault(false)
  )
}

export const limit = Flag.Int("limit").pipe(
  Flag.withAlias("n"),
  Flag.withDescription("The most that are listed"),
  Flag.filter((n) => n > 0, (n) => `${n} is too few: list 1 or more`),
  Flag.withDefault(100)
)

/** The most that a page has. */
const maxPage = 1_000

/** So many of a list at most, asked for by no more than that many at a time. */
export const upTo = <A, E, R>(
  limit: number,
  list: (query: { readonly limit: number }) => Stream.Stream<A, E, R>
): Stream.Stream<A, E, R> => Stream.take(list({ limit: Math.min(limit, maxPage) }), limit)

export const jobId = Argument.String("job-id").pipe(
  Argument.withDescription("As the answer has it that accepted the job")
)

/** The options that were given, without those that were not. */
export const given = <A extends Readonly<Record<string, Option.Option<unknown>>>>(
  options: A
): { readonly [Key in keyof A]?: Option.Option.Value<A[Key]> } =>
  Object.fromEntries(
    Object.entries(options).flatMap(([name, value]) => Option.isSome(value) ? [[name, value.value]] : [])
  ) as { readonly [Key in keyof A]?: Option.Option.Value<A[Key]> }
