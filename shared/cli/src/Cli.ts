/** The whole command line. */
import { Layer } from "effect"
import { Command } from "effect/cli"
import { archive } from "./commands/Archive.ts"
import { audit } from "./commands/Audit.ts"
import { backup, ledger, restore } from "./commands/Backup.ts"
import { bucket } from "./commands/Bucket.ts"
import { checkpoint } from "./commands/Checkpoint.ts"
import { doctor, services } from "./commands/Doctor.ts"
import { file } from "./commands/File.ts"
import { job, watch } from "./commands/Job.ts"
import { accounts, deadLetter, keys } from "./commands/Operator.ts"
import { rebuild } from "./commands/Rebuild.ts"
import { replay } from "./commands/Replay.ts"
import { completions, stats, submit, whoami } from "./commands/System.ts"
import { webhook } from "./commands/Webhook.ts"
import * as Flags from "./Flags.ts"
import { Gateway } from "./Gateway.ts"
import { Output } from "./Output.ts"

export const cli = Command.make("akave-async").pipe(
  Command.withDescription("Buckets and files on Akave, by an Akave Async Gateway"),
  Command.withSharedFlags(Flags.shared),
  Command.withSubcommands([
    bucket,
    file,
    job,
    watch,
    submit,
    whoami,
    stats,
    services,
    doctor,
    webhook,
    deadLetter,
    accounts,
    keys,
    rebuild,
    replay,
    audit,
    archive,
    checkpoint,
    backup,
    restore,
    ledger,
    completions((): Command.Command.Any => cli)
  ]),
  Command.provide((flags) => Layer.merge(Gateway.layer(flags), Output.layer(flags)))
)
