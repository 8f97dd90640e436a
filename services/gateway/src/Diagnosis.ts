/** What is wrong with a deployment, decided on what was seen of it. */
import type { Diagnosis, Finding, Status } from "@akave-async/api/OperationsApi"
import * as ServiceReports from "@akave-async/eventing/ServiceReports"
import { defect, parseVersion } from "@akave-async/platform/NatsVersion"
import { DateTime, Result } from "effect"
import type { Seen } from "./Sight.ts"

type Instance = ServiceReports.Instance

/** Clocks may be so far apart, in milliseconds: leases and signatures allow for no more. */
const mostSkew = 2_000
/** The read model may be so far behind, in milliseconds: the objective for its lag. */
const mostLag = 1_000
/** A wallet that pays for fewer transactions is low, as it is for the alert. */
const fewTransactions = 1_000n

const ok = (check: string, message: string): Finding => ({ check, status: "ok", message, advice: null })
const warning = (check: string, message: string, advice: string): Finding => ({
  check,
  status: "warning",
  message,
  advice
})
const failed = (check: string, message: string, advice: string): Finding => ({
  check,
  status: "failed",
  message,
  advice
})
/** What is wrong or, where nothing is, that all is well. */
const orOk = (findings: ReadonlyArray<Finding>, check: string, message: string): ReadonlyArray<Finding> =>
  findings.length === 0 ? [ok(check, message)] : findings

const instancesOf = ({ services }: Seen): ReadonlyArray<Instance> => Result.getOrElse(services, () => [])
const executorsOf = (seen: Seen) => instancesOf(seen).filter(({ service }) => service === "executor")
const titleOf = ({ id, service }: Instance) => `${service} ${id}`
const sameText = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()
const distinct = (texts: ReadonlyArray<string>) => [...new Set(texts)].toSorted()

/** What does not happen while a service is away. */
const withoutThem = {
  gateway: "let this gateway's login publish to $SRV.> and subscribe to it: it does not hear itself",
  executor: "start an executor: jobs are accepted and wait",
  projector: "start a projector: what is read does not change until then"
}

const services = (seen: Seen): ReadonlyArray<Finding> => {
  if (Result.isFailure(seen.services)) {
    const message = `services can't be asked: ${seen.services.failure.message}`
    return [failed("services", message, "bring back NATS, and let the gateway's login publish to $SRV.>")]
  }
  const counts = Object.entries(withoutThem).map(([role, advice]) => ({
    role,
    advice,
    count: instancesOf(seen).filter(({ service }) => service === role).length
  }))
  return orOk(
    counts.filter(({ count }) => count === 0).map(({ advice, role }) =>
      failed("services", `no ${role} answers`, advice)
    ),
    "services",
    `these answer: ${counts.map(({ count, role }) => `${count} ${role}${count === 1 ? "" : "s"}`).join(", ")}`
  )
}

const readiness = (seen: Seen): ReadonlyArray<Finding> => {
  const advice = "look at what it depends on, and at docs/runbook.md"
  const own = Object.entries(seen.readiness).flatMap(([name, state]) =>
    typeof state === "object" && state !== null && !state.ready
      ? [failed("readiness", `this gateway's ${name}: ${state.detail}`, advice)]
      : []
  )
  const others = instancesOf(seen).filter(({ service }) => service !== "gateway").flatMap((instance) =>
    Object.entries(instance.report === undefined ? {} : ServiceReports.checksOf(instance.report))
      .filter(([, { ready }]) => !ready)
      .map(([name, { detail }]) => failed("readiness", `${titleOf(instance)}: ${name}: ${detail}`, advice))
  )
  return orOk([...own, ...others], "readiness", "what the services depend on answers")
}

const lanes = (seen: Seen): ReadonlyArray<Finding> => {
  if (seen.liveJobs === undefined) return [unknown("lanes", "which wallets have jobs")]
  const served = executorsOf(seen).flatMap(ServiceReports.lanesOf)
  const unserved = seen.liveJobs.filter(({ owner }) => !served.some((lane) => sameText(lane, owner)))
  return orOk(
    unserved.map(({ count, owner }) =>
      failed(
        "lanes",
        `no executor that answers has the key of ${owner}, and ${count} of its jobs have not ended`,
        "give an executor the key: AKAVE_PRIVATE_KEY, or a file in AKAVE_PRIVATE_KEYS_DIR"
      )
    ),
    "lanes",
    "every wallet that has jobs has an executor"
  )
}

const natsVersion = ({ nats: { version } }: Seen): ReadonlyArray<Finding> => {
  const parsed = version === undefined ? undefined : parseVersion(version)
  if (parsed === undefined) return [unknown("nats_version", "which version nats-server is")]
  const reason = defect(parsed)
  return reason === undefined
    ? [ok("nats_version", `nats-server ${version} can be relied on`)]
    : [failed("nats_version", reason, "install nats-server 2.10.23 or newer")]
}

const durability = ({ nats: { replicas, syncInterval } }: Seen): ReadonlyArray<Finding> => {
  if (syncInterval === "always") return [ok("durability", "what is accepted is on nats-server's disk")]
  if (replicas !== undefined && replicas > 1) {
    return [ok("durability", `what is accepted is on a majority of ${replicas} servers`)]
  }
  const interval = syncInterval === undefined ? "as often as its sync_interval says" : `every ${syncInterval}`
  return [warning(
    "durability",
    `the event log is on one server, which brings it to the disk ${interval}: if its machine crashes, that much is lost`,
    "set sync_interval: always in its configuration and NATS_SYNC_INTERVAL=always here, or EVENTS_REPLICAS=3 in a cluster"
  )]
}

const clocks = (seen: Seen): ReadonlyArray<Finding> => {
  const wrong = instancesOf(seen).flatMap((instance) => {
    const { receivedAt, report } = instance
    const skew = report === undefined ? 0 : DateTime.toEpochMillis(report.clock) - DateTime.toEpochMillis(receivedAt)
    if (Math.abs(skew) <= mostSkew) return []
    const message = `the clock of ${titleOf(instance)} is ${(Math.abs(skew) / 1_000).toFixed(1)} s ${
      skew > 0 ? "ahead of" : "behind"
    } this gateway's`
    return [warning("clocks", message, "set the clocks of both machines by NTP")]
  })
  return orOk(wrong, "clocks", `the services' clocks are within ${mostSkew / 1_000} s`)
}

/** Transactions that a wallet can pay for now; undefined where that is not known. */
const payableBy = ({ balance, price }: ServiceReports.WalletReport): bigint | undefined => {
  if (balance === null || balance === 0n) return balance ?? undefined
  return price === null || price === 0n ? undefined : balance / price
}

const wallets = (seen: Seen): ReadonlyArray<Finding> => {
  const advice = "transfer funds to the address: jobs that wait go on by themselves"
  // Executors with the same key see the same wallet.
  const known = new Map(
    executorsOf(seen).flatMap(({ report }) => report?.wallets ?? []).flatMap((wallet) => {
      const payable = payableBy(wallet)
      return payable === undefined ? [] : [[wallet.owner.toLowerCase(), { ...wallet, payable }]]
    })
  )
  const poor = Array.from(known.values()).filter(({ payable }) => payable < fewTransactions)
  return orOk(
    poor.map(({ balance, owner, payable }) =>
      payable === 0n
        ? failed("wallets", `${owner} holds ${balance} wei, which may not pay for one transaction`, advice)
        : warning(
          "wallets",
          `${owner} holds ${balance} wei, which pays for ${payable} transactions at present fees`,
          advice
        )
    ),
    "wallets",
    "no wallet is known to be low"
  )
}

const chains = (seen: Seen): ReadonlyArray<Finding> => {
  const reports = executorsOf(seen).flatMap((instance) => {
    const chain = instance.report?.chain
    return chain === undefined ? [] : [{ title: titleOf(instance), chain }]
  })
  const expected = seen.network ?? reports[0]?.chain
  const source = seen.network === undefined ? reports[0]?.title : "the node"
  const wrong = reports.flatMap(({ chain, title }) =>
    (["chain_id", "storage_address", "access_address"] as const).flatMap((field) =>
      expected === undefined || sameText(chain[field], expected[field]) ? [] : [failed(
        "chain",
        `${title} works with the ${field} ${chain[field]}, and ${source} says ${expected[field]}`,
        "give all executors and gateways the same AKAVE_NODE_ADDRESS and an AKAVE_RPC_URL of its chain, and restart the executors"
      )]
    )
  )
  return orOk(wrong, "chain", "the executors work on one chain, with the contracts that the node names")
}

const contracts = (seen: Seen): ReadonlyArray<Finding> => {
  const addresses = distinct(
    executorsOf(seen).flatMap(({ report }) =>
      report?.chain?.has_contract === false ? [`${report.chain.storage_address} of chain ${report.chain.chain_id}`] : []
    )
  )
  return orOk(
    addresses.map((address) =>
      failed(
        "contract",
        `there is no contract at ${address}`,
        "look whether AKAVE_RPC_URL is of the chain that AKAVE_NODE_ADDRESS names the contracts of, and whether its node is synced"
      )
    ),
    "contract",
    "no executor misses the Storage contract"
  )
}

const migrations = (seen: Seen): ReadonlyArray<Finding> => {
  const { made, needed } = seen.migration
  if (made === undefined) return [unknown("migrations", "which migrations of the read model were made")]
  const known = instancesOf(seen).flatMap(({ report }) => report?.migration ?? [])
  const last = Math.max(needed, ...known)
  if (made < last) {
    const message = `the read model is at migration ${made}, and services of this deployment know ${last}`
    return [failed("migrations", message, "start a projector of the newest release: it makes the migrations")]
  }
  return made > needed
    ? [warning(
      "migrations",
      `the read model is at migration ${made}, and this gateway knows ${needed}`,
      "start gateways of the projectors' release"
    )]
    : [ok("migrations", `the read model is at migration ${made}, the last`)]
}

const lag = ({ readiness: { projection_lag_ms: millis } }: Seen): ReadonlyArray<Finding> => {
  if (millis === null) return [unknown("lag", "how far the read model is behind")]
  const message = `the read model is ${millis} ms behind the event log`
  return millis <= mostLag
    ? [ok("lag", message)]
    : [warning("lag", message, "look whether a projector runs, and what it and Postgres are short of")]
}

const versions = (seen: Seen): ReadonlyArray<Finding> => {
  const builds = Map.groupBy(
    instancesOf(seen),
    ({ metadata: { build }, version }) => build === undefined ? version : `${version} of commit ${build}`
  )
  if (builds.size <= 1) return [ok("versions", "all that answer are of one release")]
  const each = Array.from(builds, ([build, instances]) => `${build}: ${instances.map(titleOf).join(", ")}`)
  return [warning("versions", `releases differ: ${each.toSorted().join("; ")}`, "finish the update, or take it back")]
}

const deadLetters = ({ openDeadLetters: open }: Seen): ReadonlyArray<Finding> => {
  if (open === undefined) return [unknown("dead_letters", "whether there are dead letters")]
  return open === 0
    ? [ok("dead_letters", "no event is set aside")]
    : [
      warning(
        "dead_letters",
        `${open} events are set aside`,
        "GET /dead-letters says why; redrive them once that is repaired"
      )
    ]
}

const webhooks = (seen: Seen): ReadonlyArray<Finding> => {
  if (seen.webhooks === undefined) return [unknown("webhooks", "which webhooks there are")]
  const { enabled, failing } = seen.webhooks
  const notifiers = instancesOf(seen).filter(({ service }) => service === "notifier").length
  if (enabled > 0 && notifiers === 0) {
    const message = `no notifier answers, and events for ${enabled} webhooks wait`
    return [failed("webhooks", message, "start a notifier: events wait for it")]
  }
  return failing === 0
    ? [ok("webhooks", "no webhook is failing")]
    : [
      warning(
        "webhooks",
        `${failing} of ${enabled} webhooks answer with nothing but failures`,
        "GET /webhooks and their deliveries say what they answer; after 5 days they are disabled"
      )
    ]
}

const unknown = (check: string, what: string): Finding =>
  warning(check, `it can't be found out ${what}`, "bring back what the check readiness reports as away")

const checks = [
  services,
  readiness,
  lanes,
  natsVersion,
  durability,
  clocks,
  wallets,
  chains,
  contracts,
  migrations,
  lag,
  versions,
  deadLetters,
  webhooks
]

/** What each check has found. */
export const diagnose = (seen: Seen): Diagnosis => {
  const findings = checks.flatMap((check) => check(seen))
  const worst = (["failed", "warning"] as const).find((status) => findings.some((finding) => finding.status === status))
  return { status: worst ?? ("ok" satisfies Status), findings }
}
