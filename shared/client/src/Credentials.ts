/**
 * Which gateway a client speaks to, and as whom: arguments, environment, the user's file, the folder's file, in that order. The first
 * one that has credentials counts; looking creates nothing.
 */
import { CredentialsInvalid } from "./Errors.ts"
import type { Credentials } from "./Signing.ts"

export interface Given {
  /** Of the gateway. */
  readonly url?: string | undefined
  readonly apiKey?: string | undefined
  readonly publicKey?: string | undefined
  readonly secretKey?: string | undefined
  /** Which account of a file: its place from 0 on, or its label. */
  readonly account?: string | number | undefined
}

/** A file with accounts, as it was found. */
export interface AccountsFile {
  readonly path: string
  readonly text: string
}

export interface Sources {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The file at a path; undefined where there is none. Fails where it is not to be trusted. */
  readonly file: (place: "home" | "folder") => AccountsFile | undefined
}

export interface Found {
  readonly url: string
  readonly credentials: Credentials | undefined
  /** Where the credentials are from, for people. */
  readonly source: string
}

export const defaultUrl = "http://127.0.0.1:8000"

const set = (value: string | undefined) => value === undefined || value.trim() === "" ? undefined : value.trim()

/** Credentials of one place; undefined where it has none. Half a pair is an error, and so is a pair beside a key. */
const pairOf = (
  { apiKey, publicKey, secretKey }: Pick<Given, "apiKey" | "publicKey" | "secretKey">,
  names: { readonly apiKey: string; readonly publicKey: string; readonly secretKey: string }
): Credentials | undefined => {
  const [key, name, secret] = [set(apiKey), set(publicKey), set(secretKey)]
  if (key !== undefined && (name !== undefined || secret !== undefined)) {
    throw new CredentialsInvalid(`give ${names.apiKey}, or ${names.publicKey} and ${names.secretKey}, not both`)
  }
  if (key !== undefined) return { apiKey: key }
  if (name !== undefined && secret !== undefined) return { publicKey: name, secretKey: secret }
  if (name === undefined && secret === undefined) return undefined
  const [there, missing] = name === undefined
    ? [names.secretKey, names.publicKey]
    : [names.publicKey, names.secretKey]
  throw new CredentialsInvalid(`${there} is set without ${missing}: set both`)
}

interface Account {
  readonly publicKey: string
  readonly secretKey: string
  readonly label: string | undefined
}

/** Lines `public,secret[,label]`; empty ones and those that begin with # are passed over. */
export const accountsIn = ({ path, text }: AccountsFile): ReadonlyArray<Account> =>
  text.split(/\r?\n/).flatMap((line, n) => {
    const trimmed = line.trim()
    if (trimmed === "" || trimmed.startsWith("#")) return []
    const [publicKey = "", secretKey = "", ...label] = trimmed.split(",").map((part) => part.trim())
    if (publicKey === "" || secretKey === "") {
      throw new CredentialsInvalid(`${path}, line ${n + 1}: write public,secret or public,secret,label`)
    }
    return [{ publicKey, secretKey, label: label.length === 0 ? undefined : label.join(",") }]
  })

const chosen = (file: AccountsFile, account: string | undefined): Found["credentials"] & { label?: string } => {
  const accounts = accountsIn(file)
  const at = account === undefined ? 0 : /^\d+$/.test(account) ? Number(account) : -1
  const found = accounts.find(({ label }) => account !== undefined && label === account) ?? accounts[at]
  if (found === undefined) {
    const known = accounts.map(({ label }, n) => label === undefined ? `${n}` : `${n} (${label})`).join(", ")
    const there = accounts.length === 0 ? "it has none" : `it has ${known}`
    throw new CredentialsInvalid(`${file.path} has no account ${account ?? 0}: ${there}`)
  }
  return { publicKey: found.publicKey, secretKey: found.secretKey }
}

/**
 * Finds credentials.
 * @throws CredentialsInvalid where what was found can't be used, or an account was named that no file has.
 */
export const find = (given: Given, { environment, file }: Sources): Found => {
  const url = set(given.url) ?? set(environment["AKAVE_ASYNC_URL"]) ?? defaultUrl
  const byArgument = pairOf(given, { apiKey: "apiKey", publicKey: "publicKey", secretKey: "secretKey" })
  if (byArgument !== undefined) return { url, credentials: byArgument, source: "arguments" }
  const account = set(given.account === undefined ? undefined : `${given.account}`) ??
    set(environment["AKAVE_ASYNC_ACCOUNT"])
  // A named account is of a file, whatever the environment has.
  const byEnvironment = account !== undefined ? undefined : pairOf({
    apiKey: environment["AKAVE_ASYNC_API_KEY"],
    publicKey: environment["AKAVE_ASYNC_PUBLIC_KEY"],
    secretKey: environment["AKAVE_ASYNC_SECRET_KEY"]
  }, {
    apiKey: "AKAVE_ASYNC_API_KEY",
    publicKey: "AKAVE_ASYNC_PUBLIC_KEY",
    secretKey: "AKAVE_ASYNC_SECRET_KEY"
  })
  if (byEnvironment !== undefined) return { url, credentials: byEnvironment, source: "environment" }
  const found = file("home") ?? file("folder")
  if (found !== undefined) {
    const credentials = chosen(found, account)
    return { url, credentials, source: `${found.path}, account ${account ?? 0}` }
  }
  if (account !== undefined) {
    throw new CredentialsInvalid(
      `there is no account ${account}: neither ~/.akave-async/accounts.csv nor ./accounts.csv is there`
    )
  }
  return { url, credentials: undefined, source: "none: the gateway's local account" }
}
