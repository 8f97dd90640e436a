/** The commands about the gateway itself. */
import { Console, Effect, Option } from "effect"
import { Argument, Command, Completions, Flag } from "effect/cli"
import { ArgumentsInvalid } from "../Failures.ts"
import * as Gateway from "../Gateway.ts"
import { showJob } from "./Ending.ts"
import { show } from "./Showing.ts"

export const whoami = Command.make(
  "whoami",
  {},
  () =>
    Gateway.use((client) =>
      show(Effect.map(client.account.get(), (caller) => ({
        ...caller,
        gateway: client.url,
        credentials: client.credentialsSource
      })))
    )
).pipe(Command.withDescription("Show who you are to the gateway, what you may do, and where your credentials are from"))

export const stats = Command.make(
  "stats",
  {
    minutes: Flag.Int("minutes").pipe(Flag.withDescription("Of the jobs of so many minutes"), Flag.withDefault(60))
  },
  ({ minutes }) => Gateway.use((client) => show(client.system.stats({ minutes })))
).pipe(Command.withDescription("Show how the jobs of the last minutes got on"))

export const submit = Command.make("submit", {
  operation: Argument.String("operation").pipe(Argument.withDescription("As the gateway's capabilities name it")),
  input: Flag.String("input").pipe(Flag.withDescription("What is asked for, as JSON"), Flag.withDefault("{}")),
  idempotencyKey: Flag.String("idempotency-key").pipe(Flag.optional)
}, ({ idempotencyKey, input, operation }) =>
  Effect.gen(function*() {
    const asked = yield* Effect.try({
      try: () => JSON.parse(input),
      catch: (cause) =>
        new ArgumentsInvalid({ message: `--input is no JSON: ${cause instanceof Error ? cause.message : ""}` })
    })
    const options = Option.isSome(idempotencyKey) ? { idempotencyKey: idempotencyKey.value } : {}
    const job = yield* Gateway.use((client) => client.submit(operation, asked, options))
    yield* showJob(job)
  })).pipe(Command.withDescription("Ask for any operation that the gateway has, and show the job"))

/** @param commands Gives the whole command line, which this one is a part of. */
export const completions = (commands: () => Command.Command.Any) =>
  Command.make("completions", {
    shell: Argument.Literals("shell", ["bash", "zsh", "fish", "powershell"])
  }, ({ shell }) => Console.log(Completions.generate("akave-async", shell, Completions.fromCommand(commands())))).pipe(
    Command.withDescription("Print what a shell needs to complete commands")
  )
