/** The commands that keep the event log and the ledgers, and put them back. */
import { Effect, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { ArgumentsInvalid } from "../Failures.ts"
import { given } from "../Flags.ts"
import { operating } from "../Operating.ts"
import { Output } from "../Output.ts"

const file = Argument.String("file").pipe(Argument.withDescription("A backup file"))
const columns = ["stream", "events", "first_sequence", "last_sequence", "hash"]

/** Counts what an effect does, and shows it while it is under way. */
const counted = <A, E, R>(title: string, run: (onEvents: (count: number) => void) => Effect.Effect<A, E, R>) =>
  Output.use(({ during }) => {
    let events = 0
    return during(title, () => `${events} events`, run((count) => events += count))
  })

const rows = (rows: ReadonlyArray<object>, columns: ReadonlyArray<string>) =>
  Output.use((output) => output.rows(Stream.fromIterable(rows), columns))

const verify = Command.make(
  "verify",
  { files: Argument.variadic(file, { min: 1 }) },
  ({ files }) =>
    counted(
      "verifying",
      (onEvents) =>
        operating(() => import("@akave-async/operator/Backup"), ({ verify }) => verify(files, () => onEvents(1)))
    ).pipe(
      Effect.flatMap((found) => rows(found, columns))
    )
).pipe(
  Command.withDescription("See whether files are whole, and follow on each other; asks no server")
)

export const backup = Command.make("backup", {
  file,
  after: Flag.String("after").pipe(
    Flag.withDescription("An earlier backup: only what has come since is written"),
    Flag.withMetavar("FILE"),
    Flag.optional
  )
}, ({ file, ...options }) =>
  counted(`writing ${file}`, (onEvents) =>
    operating(
      () => import("@akave-async/operator/Backup"),
      ({ run }) => run({ file, ...given(options), onEvents })
    )).pipe(
      Effect.flatMap((written) => rows(written, columns.slice(0, -1)))
    )).pipe(
    Command.withDescription("Write the event log and the ledgers of all wallets into a file"),
    Command.withSubcommands([verify])
  )

export const restore = Command.make("restore", {
  files: Argument.variadic(file),
  fromArchive: Flag.Boolean("from-archive").pipe(
    Flag.withDescription("Restore the event log from the archive in Postgres"),
    Flag.withDefault(false)
  ),
  loseNewer: Flag.Boolean("lose-newer").pipe(
    Flag.withDescription("Restore from files, though the read model has applied what they do not have"),
    Flag.withDefault(false)
  )
}, ({ files, fromArchive, loseNewer }) =>
  Effect.gen(function*() {
    if (fromArchive === files.length > 0) {
      return yield* new ArgumentsInvalid({ message: "name backup files, or give --from-archive" })
    }
    const { flags, line, note, show } = yield* Output
    const restored = yield* counted("restoring", (onEvents) =>
      operating(
        () => import("@akave-async/operator/Restore"),
        ({ run }) => run(files, { isOlderTaken: loseNewer, onEvents })
      ))
    if (flags.json) return yield* show(restored)
    yield* rows(restored.streams, ["stream", "events", "found", "last_sequence", "hash"])
    yield* line(`The log is restored for the ${ordinal(restored.restoration)} time.`, restored)
    for (const step of restored.next) yield* note(step)
  })).pipe(Command.withDescription("Put a lost event log back, from backup files or from the archive"))

const ordinal = (n: number): string => {
  const ends = new Map([[1, "st"], [2, "nd"], [3, "rd"]])
  return `${n}${Math.floor(n / 10) % 10 === 1 ? "th" : ends.get(n % 10) ?? "th"}`
}

const renew = Command.make("renew", {
  address: Argument.String("address").pipe(Argument.withDescription("The wallet's address"))
}, ({ address }) =>
  operating(() => import("@akave-async/operator/Ledgers"), ({ renew }) => renew(address)).pipe(
    Effect.flatMap((renewed) =>
      Output.use(({ note, show }) =>
        Effect.andThen(
          show(renewed),
          note("Start the executors again: they go on once the chain has used the nonces before.")
        )
      )
    )
  )).pipe(Command.withDescription("Make the ledger of a wallet that has lost it, or use one that was restored"))

export const ledger = Command.make("ledger").pipe(
  Command.withDescription("The nonce ledgers of wallets"),
  Command.withSubcommands([renew])
)
