import { Config, Option, Schema } from "effect"
import { isIP, isIPv6 } from "node:net"

/** A port to listen on; 0 takes any free one. */
const port = (name: string, standard: number) =>
  Config.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 })), name).pipe(
    Config.withDefault(standard)
  )

/** An empty variable counts as absent: that is how container files leave one out. */
const optional = (name: string) =>
  Config.option(Config.String(name)).pipe(Config.map(Option.filter((text) => text !== "")))

/** The address that the chain and the node listen on. */
const host = Config.schema(
  Schema.String.check(
    Schema.makeFilter((text) => isIP(text) !== 0 || "an address of this machine, such as 127.0.0.1, 0.0.0.0 or ::1")
  ),
  "DEVNET_HOST"
).pipe(Config.withDefault("127.0.0.1"))

/** An address as it stands in a URL or before a port. */
export const inUrl = (host: string): string => isIPv6(host) ? `[${host}]` : host

/** Where a client on this machine finds something that listens on the host, as it stands in a URL or before a port. */
export const reachable = (host: string): string =>
  inUrl(host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host)

export const AnvilConfig = Config.all({
  host,
  port: port("DEVNET_RPC_PORT", 8545),
  /** Seconds between blocks; fractions are allowed. */
  blockTime: Config.schema(Schema.Finite.check(Schema.isBetween({ minimum: 0.05, maximum: 600 })), "DEVNET_BLOCK_TIME")
    .pipe(Config.withDefault(1)),
  /** Gas per block. A transaction that adds n chunks claims 270 000 × n. */
  gasLimit: Config.schema(Schema.Int.check(Schema.isGreaterThan(0)), "DEVNET_GAS_LIMIT").pipe(
    Config.withDefault(30_000_000)
  ),
  /** Whether the base fee is kept where clients pay it; a test of dear blocks says false. */
  holdsBaseFee: Config.Boolean("DEVNET_HOLD_BASE_FEE").pipe(Config.withDefault(true)),
  /** Where chain and node are kept; without it the chain lives in memory, and the blocks in a temporary folder. */
  dataDir: optional("DEVNET_DATA_DIR")
})

export const NodeConfig = Config.all({
  host,
  port: port("DEVNET_NODE_PORT", 5500),
  /** The chain's URL as clients reach it, where that is not this machine's own: behind a container's port, for one. */
  publicRpcUrl: optional("DEVNET_PUBLIC_RPC_URL"),
  /** host:port of the node as clients reach it, where that is another one: they send and fetch blocks there. */
  publicAddress: optional("DEVNET_PUBLIC_NODE_ADDRESS"),
  /** The port, on the loopback address, where tests ask for faults; no such port without it. See node/Faults.ts. */
  adminPort: Config.option(
    Config.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 })), "DEVNET_ADMIN_PORT")
  )
})
