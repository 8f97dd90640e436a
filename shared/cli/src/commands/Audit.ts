/** `akave-async audit` */
import type * as Audit from "@akave-async/operator/Audit"
import { DateTime, Effect, FileSystem, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { NotAsItShould } from "../Failures.ts"
import { operating } from "../Operating.ts"
import { bar, Output } from "../Output.ts"
import { paint } from "../Style.ts"

const load = async () => ({
  Audit: await import("@akave-async/operator/Audit"),
  Settings: await import("@akave-async/operator/Settings"),
  CheckpointFile: await import("@akave-async/operator/CheckpointFile")
})

const linesOf = ({ checked, findings, part, remarks }: Audit.Section, hasColor: boolean) => [
  findings.length === 0
    ? `${paint("✓", "green", hasColor)} ${part}: ${checked}`
    : `${paint("✗", "red", hasColor)} ${part}: ${findings.length} finding${findings.length === 1 ? "" : "s"}`,
  ...findings.map((finding) => `    ${paint(finding, "red", hasColor)}`),
  ...remarks.map((remark) => `    ${remark}`)
]

const skips = (part: string) =>
  Flag.Boolean(`no-${part}`).pipe(Flag.withDescription(`Leave out the ${part}`), Flag.withDefault(false))

/** Which checkpoints count. */
export const checkpointFlags = {
  publicKey: Flag.String("public-key").pipe(
    Flag.withDescription("The key whose checkpoints count: a file in PEM, or its 32 bytes in base64"),
    Flag.optional
  ),
  checkpoints: Flag.String("checkpoints").pipe(
    Flag.withDescription("A file of checkpoints that were exported before: the log must fit these too"),
    Flag.optional
  )
}

export const audit = Command.make(
  "audit",
  {
    ...checkpointFlags,
    fees: Flag.String("fees").pipe(
      Flag.withDescription("A file to write what each transaction has cost to, a line of JSON each"),
      Flag.optional
    ),
    noReadModel: skips("read-model"),
    noChain: skips("chain")
  },
  ({ checkpoints, fees, noChain, noReadModel, publicKey }) =>
    operating(load, ({ Audit, CheckpointFile, Settings }) =>
      Effect.gen(function*() {
        const output = yield* Output
        const files = yield* FileSystem.FileSystem
        const options = yield* CheckpointFile.options({ checkpoints, publicKey })
        const feesFile = Option.isNone(fees) ? undefined : yield* files.open(fees.value, { flag: "wx" })
        let progress = ""
        const onProgress = (done: number, of: number) => {
          progress = bar(done, of)
        }
        const onFee = (fee: object) =>
          feesFile === undefined
            ? Effect.void
            : Effect.orDie(feesFile.writeAll(new TextEncoder().encode(`${JSON.stringify(fee)}\n`)))
        const sections = Effect.gen(function*() {
          return [
            yield* Audit.log({ ...options, onProgress }),
            ...(noReadModel ? [] : [yield* Audit.readModel]),
            ...(noChain ? [] : [yield* Effect.provide(Audit.chain(onFee), Settings.chain)])
          ]
        })
        const at = yield* DateTime.now
        const report = Audit.reportOf(at, yield* output.during("auditing", () => progress, sections))
        const lines = report.sections.flatMap((section) => linesOf(section, output.look.hasColor))
        yield* output.line(lines.join("\n"), report)
        const findings = report.sections.reduce((sum, section) => sum + section.findings.length, 0)
        if (findings > 0) return yield* new NotAsItShould({ findings })
      }).pipe(Effect.provide([Settings.log, Settings.database]), Effect.scoped))
).pipe(
  Command.withDescription("Hold the event log, its archive, the read model and the chain against each other")
)
