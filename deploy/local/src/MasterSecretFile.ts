/** The master secret of a stack. */
import { join } from "node:path"
import * as SecretFile from "./SecretFile.ts"

/** Its settings among those that are given, or a file of its own in the data folder. */
export const settings = (dataDir: string, given: Readonly<Record<string, string | undefined>>) =>
  SecretFile.settings("MASTER_SECRET", join(dataDir, "master-secret"), given)
