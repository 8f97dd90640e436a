/**
 * Where a webhook may lead: to what the internet reaches, and never into the network that sends it. A URL is checked when it is
 * given, and each address that its name resolves to when it is connected to.
 */
import { Result, Schema } from "effect"

/** A URL as it is stored; {@link check} says whether it may be used. */
export const WebhookUrl = Schema.String.check(
  Schema.isPattern(/^https?:\/\/[\x21-\x7e]{1,2000}$/u, {
    message: "a URL of http or https in printable ASCII characters, of 2,000 at most behind its scheme"
  })
).pipe(Schema.brand("WebhookUrl"))
export type WebhookUrl = typeof WebhookUrl.Type

/** A webhook may not lead there; says why. */
export class UrlRefused extends Schema.TaggedError<UrlRefused>()("UrlRefused", { reason: Schema.String }) {
  override readonly message = this.reason
}

/**
 * The URL, if a webhook may lead there as far as its text says: what its name resolves to is not known here.
 * @param allowsPrivate Whether http is allowed too, and any address.
 */
export const check = (url: WebhookUrl, allowsPrivate: boolean): Result.Result<URL, UrlRefused> => {
  const refuse = (reason: string) => Result.fail(new UrlRefused({ reason }))
  if (!URL.canParse(url)) return refuse("The URL can't be read")
  const parsed = new URL(url)
  const { hash, hostname, password, protocol, username } = parsed
  if (username !== "" || password !== "") {
    return refuse("The URL has a user or a password: deliveries are signed instead")
  }
  if (hash !== "") return refuse("The URL has a fragment, which is never sent")
  if (allowsPrivate) return Result.succeed(parsed)
  if (protocol !== "https:") return refuse("The URL is not one of https")
  const host = hostname.replace(/\.$/, "")
  if (host === "localhost" || host.endsWith(".localhost")) return refuse(`${host} is the machine itself`)
  const address = literal(host)
  return address !== undefined && !isPublic(address)
    ? refuse(`${address} is no address on the internet`)
    : Result.succeed(parsed)
}

/** The address that a URL's host is, where it is no name. The URL's parser has made one form of all that IPv4 addresses have. */
const literal = (host: string): string | undefined => {
  if (host.startsWith("[")) return host.slice(1, -1)
  return bytesOfV4(host) === undefined ? undefined : host
}

/** Whether an address, as it is resolved, is one on the internet. What is none is not. */
export const isPublic = (address: string): boolean => {
  const v4 = bytesOfV4(address)
  if (v4 !== undefined) return isPublicV4(v4)
  const v6 = bytesOfV6(address)
  return v6 !== undefined && isPublicV6(v6)
}

type Bytes = ReadonlyArray<number>

const bytesOfV4 = (text: string): Bytes | undefined => {
  const parts = text.split(".")
  const isV4 = parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
  return isV4 ? parts.map(Number) : undefined
}

const bytesOfV6 = (text: string): Bytes | undefined => {
  const [head = "", tail, ...more] = text.split("::")
  const [front, back] = [groupsOf(head), groupsOf(tail ?? "")]
  if (more.length > 0 || front === undefined || back === undefined) return undefined
  const missing = 16 - front.length - back.length
  if (tail === undefined ? missing !== 0 : missing < 2) return undefined
  return [...front, ...Array.from({ length: missing }, () => 0), ...back]
}

/** The bytes of groups with a colon between them, of which the last may be an IPv4 address. */
const groupsOf = (text: string): Bytes | undefined => {
  if (text === "") return []
  const bytes: Array<number> = []
  for (const group of text.split(":")) {
    const v4 = bytesOfV4(group)
    if (v4 !== undefined) bytes.push(...v4)
    else if (/^[0-9a-f]{1,4}$/i.test(group)) {
      bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255)
    } else return undefined
  }
  return bytes
}

type Block = readonly [prefix: Bytes, bits: number]

/** Blocks that are for other uses than the internet's (RFC 6890 and IANA's registry of special purposes), multicast and reserved. */
const specialV4: ReadonlyArray<Block> = [
  [[0], 8],
  [[10], 8],
  [[100, 64], 10],
  [[127], 8],
  [[169, 254], 16],
  [[172, 16], 12],
  [[192, 0, 0], 24],
  [[192, 0, 2], 24],
  [[192, 88, 99], 24],
  [[192, 168], 16],
  [[198, 18], 15],
  [[198, 51, 100], 24],
  [[203, 0, 113], 24],
  [[224], 4],
  [[240], 4]
]
/** All that the internet uses of IPv6, but for what translators make. */
const globalV6: Block = [[0x20], 3]
/** Within it: protocol assignments, with Teredo (2001::/32), and documentation. */
const specialV6: ReadonlyArray<Block> = [
  [[0x20, 0x01, 0x00], 23],
  [[0x20, 0x01, 0x0d, 0xb8], 32],
  [[0x3f, 0xff], 20]
]
/** Blocks whose addresses hold an IPv4 address, from this byte on: mapped, NAT64 and 6to4. They lead to that one. */
const embeddingV6: ReadonlyArray<readonly [block: Block, at: number]> = [
  [[[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], 96], 12],
  [[[0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0], 96], 12],
  [[[0x20, 0x02], 16], 2]
]

const isIn = (bytes: Bytes, [prefix, bits]: Block): boolean =>
  Array.from({ length: Math.ceil(bits / 8) }, (_, n) => n).every((n) => {
    const mask = 0xff & (0xff << Math.max(0, 8 * (n + 1) - bits))
    return ((bytes[n] ?? 0) & mask) === ((prefix[n] ?? 0) & mask)
  })

const isPublicV4 = (bytes: Bytes): boolean => !specialV4.some((block) => isIn(bytes, block))

const isPublicV6 = (bytes: Bytes): boolean => {
  const embedding = embeddingV6.find(([block]) => isIn(bytes, block))
  if (embedding !== undefined) return isPublicV4(bytes.slice(embedding[1], embedding[1] + 4))
  return isIn(bytes, globalV6) && !specialV6.some((block) => isIn(bytes, block))
}
