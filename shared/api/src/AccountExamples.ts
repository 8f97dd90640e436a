/** Examples of accounts and their keys. */
import * as Account from "@akave-async/domain/Account"
import { Address } from "@akave-async/domain/Ethereum"
import { DateTime } from "effect"
import {
  AccountPage,
  AccountRequest,
  AccountResource,
  CallerResource,
  KeyRequest,
  KeyResource,
  LimitsRequest,
  NewKey,
  RotationRequest
} from "./AccountsApi.ts"
import { encode } from "./JsonObject.ts"
import * as Problems from "./Problems.ts"

const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const limits = { requests_per_second: 100, jobs_in_flight: 1_000 }

const key: KeyResource = {
  key_id: Account.KeyId.make("6f1d2c3b4a590817"),
  public_key: "aag_pk_6f1d2c3b4a590817",
  label: "backend",
  scopes: ["read", "write"],
  version: 1,
  issued_at: DateTime.makeUnsafe("2026-11-21T10:10:55.853Z"),
  expires_at: null,
  grace_until: null,
  revoked_at: null
}
const account: AccountResource = { account: Account.Id.make("acme"), owner, limits, keys: [key] }
const caller = {
  account: account.account,
  owner,
  limits,
  scopes: key.scopes,
  actor: `key ${key.key_id} of account ${account.account}`
}

export const problems = [
  new Problems.AccountExists({ detail: `Account ${account.account} is open already` }),
  new Problems.AccountNotFound({ detail: "There is no such account" }),
  new Problems.KeyNotFound({ detail: `The account has no key ${key.key_id}` }),
  new Problems.KeyRevoked({ detail: `Key ${key.key_id} was revoked` })
]

/** By the name of a schema in the document. */
export const examples = {
  Account: { account: encode(AccountResource, account) },
  AccountPage: { page: encode(AccountPage, { accounts: [account], next: null }) },
  AccountRequest: { account: encode(AccountRequest, { account: account.account, owner, limits }) },
  LimitsRequest: { limits: encode(LimitsRequest, { ...limits, jobs_in_flight: 5_000 }) },
  Caller: { caller: encode(CallerResource, caller) },
  Key: { key: encode(KeyResource, key) },
  NewKey: { key: encode(NewKey, { ...key, secret: `aag_sk_${key.key_id}_1_${"x".repeat(43)}` }) },
  KeyRequest: { key: encode(KeyRequest, { label: key.label, scopes: ["read", "write"] }) },
  RotationRequest: { day: encode(RotationRequest, { grace_seconds: 86_400 }) }
}
