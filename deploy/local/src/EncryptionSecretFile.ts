/** The secret of a stack that the keys of accounts' files follow from. */
import { join } from "node:path"
import * as SecretFile from "./SecretFile.ts"

/** Its settings among those that are given, or a file of its own in the data folder. */
export const settings = (dataDir: string, given: Readonly<Record<string, string | undefined>>) =>
  SecretFile.settings("FILE_ENCRYPTION_SECRET", join(dataDir, "file-encryption-secret"), given)
