/** What a client finds on the machine that it runs on: environment and files. */
import { createHash } from "node:crypto"
import { createReadStream, readFileSync, statSync } from "node:fs"
import { stat } from "node:fs/promises"
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import * as process from "node:process"
import type { AccountsFile, Sources } from "./Credentials.ts"
import { ArgumentInvalid, CredentialsInvalid } from "./Errors.ts"
import type { OnDisk, Platform } from "./Platform.ts"

/** A file with secrets; undefined where there is none. Others must neither read nor own it. */
export const secretFile = (path: string): AccountsFile | undefined => {
  let stat: ReturnType<typeof statSync>
  try {
    stat = statSync(path)
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(Object(error).code)) return undefined
    throw new CredentialsInvalid(`${path} can't be read: ${Object(error).message}`)
  }
  if (!stat.isFile()) throw new CredentialsInvalid(`${path} is no file`)
  const user = process.getuid?.()
  if (user !== undefined) {
    if (stat.uid !== user) throw new CredentialsInvalid(`${path} belongs to another user: run chown ${user} ${path}`)
    if ((Number(stat.mode) & 0o077) !== 0) {
      throw new CredentialsInvalid(`${path} is open to others: run chmod 600 ${path}`)
    }
  }
  try {
    return { path, text: readFileSync(path, "utf8") }
  } catch (error) {
    throw new CredentialsInvalid(`${path} can't be read: ${Object(error).message}`)
  }
}

export const sources: Sources = {
  environment: process.env,
  file: (place) =>
    secretFile(place === "home" ? join(homedir(), ".akave-async", "accounts.csv") : resolve("accounts.csv"))
}

export const stderr = (line: string): void => void process.stderr.write(`akave-async: ${line}\n`)

/** Bytes of a file that are read at once. */
const readAtOnce = 1_048_576

const fileAt = async (path: string): Promise<OnDisk> => {
  const found = await stat(path).catch((error: unknown) => {
    throw new ArgumentInvalid(`${path} can't be read: ${Object(error).message}`)
  })
  if (!found.isFile()) throw new ArgumentInvalid(`${path} is no file: give a file, or a stream`)
  return { size: found.size, open: () => createReadStream(path, { highWaterMark: readAtOnce }) }
}

export const platform: Platform = { sha256: () => createHash("sha256"), hasRequestStreams: true, fileAt }
