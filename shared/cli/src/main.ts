/** `akave-async` */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Cause, Console, Effect, Exit, Layer } from "effect"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag, TerminalCapabilities } from "effect/cli"
import * as process from "node:process"
import manifest from "../package.json" with { type: "json" }
import { cli } from "./Cli.ts"
import { exitCodeOf, exitCodes, jsonOf, sentencesOf } from "./Failures.ts"

const isJson = process.argv.includes("--json")

/** Of what is wrong with the arguments, and where to read on; not the whole help. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.gen(function*() {
        const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
        const formatter = CliOutput.defaultFormatter({ colors: canColor })
        yield* Console.error(formatter.formatErrors(event.errors).trim())
        const usage = event.helpDoc.usage.replace(/ (<subcommand>|\[flags\]).*$/, "")
        yield* Console.error(`\nRun ${usage} --help to see what there is.`)
      })
      : CliOutput.defaultPresenter.present(event)
}

// Who reads may have read enough.
process.stdout.on("error", (error) => {
  if (Object(error).code === "EPIPE") process.exit(0)
  throw error
})

const program = Command.run(cli, { version: manifest.version }).pipe(
  Effect.tapError((error) =>
    // What is wrong with the arguments was printed already.
    CliError.isCliError(error)
      ? Effect.void
      : Console.error(isJson ? JSON.stringify(jsonOf(error)) : `akave-async: ${sentencesOf(error).join("\n")}`)
  ),
  Effect.provide([
    CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version] }),
    CliOutput.layerPresenter(presenter),
    Layer.provideMerge(TerminalCapabilities.layer, NodeServices.layer)
  ])
)

NodeRuntime.runMain(program, {
  disableErrorReporting: true,
  teardown: (exit, onExit) => {
    if (Exit.isSuccess(exit)) return onExit(0)
    if (Cause.hasInterruptsOnly(exit.cause)) return onExit(exitCodes.interrupted)
    const error = Cause.squash(exit.cause)
    if (Cause.hasDies(exit.cause)) process.stderr.write(`${Cause.pretty(exit.cause)}\n`)
    return onExit(exitCodeOf(error))
  }
})
