import type { Finding } from "@akave-async/api/OperationsApi"
import { LogUnavailable } from "@akave-async/eventing/EventLog"
import type { Instance, Report } from "@akave-async/eventing/ServiceReports"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import { diagnose } from "../src/Diagnosis.ts"
import type { Seen } from "../src/Sight.ts"

const owner = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
const now = DateTime.makeUnsafe("2026-11-21T10:10:55.853Z")
const state = { ready: true, detail: "answers" }
const network = { chain_id: "31337", storage_address: "0xAb", access_address: "0xCd" }

const instance = (service: string, report: Partial<Report> = {}, metadata: Instance["metadata"] = {}): Instance => ({
  service,
  id: `${service.toUpperCase()}1`,
  version: "0.1.0",
  startedAt: now,
  metadata,
  report: { clock: now, readiness: { ready: true }, ...report },
  receivedAt: now
})
const gateway = instance("gateway", { migration: 6 })
const projector = instance("projector", { migration: 6 })
const executor = (report: Partial<Report> = {}) =>
  instance("executor", {
    chain: { ...network, has_contract: true },
    wallets: [{ owner, balance: 10n ** 18n, price: 10n ** 14n }],
    ...report
  }, { lanes: owner })

const well: Seen = {
  services: Result.succeed([gateway, executor(), projector]),
  readiness: {
    ready: true,
    event_log: state,
    read_model: state,
    node: state,
    chain: state,
    staging: state,
    lanes: state,
    projection_lag_ms: 0
  },
  nats: { version: "2.12.1", syncInterval: "always", replicas: 1 },
  network,
  migration: { made: 6, needed: 6 },
  liveJobs: [{ owner: owner.toLowerCase(), count: 3 }],
  openDeadLetters: 0,
  webhooks: { enabled: 0, failing: 0 }
}

/** What is found beside that all is well, where this is seen in place of what is well. */
const found = (seen: Partial<Seen>): ReadonlyArray<Finding> =>
  diagnose({ ...well, ...seen }).findings.filter(({ status }) => status !== "ok")
/** The one finding that there is, and which status it has. */
const one = (seen: Partial<Seen>, check: string, status: Finding["status"]): string => {
  const findings = found(seen)
  assert.lengthOf(findings, 1, JSON.stringify(findings))
  const [finding] = findings
  assert.deepInclude(finding, { check, status })
  assert.isNotEmpty(finding?.advice)
  assert.strictEqual(diagnose({ ...well, ...seen }).status, status)
  return finding?.message ?? ""
}
const withServices = (...instances: ReadonlyArray<Instance>) => ({ services: Result.succeed(instances) })
const withExecutor = (report: Partial<Report>) => withServices(gateway, executor(report), projector)

it("a deployment that is well has one finding of each check", () => {
  const { findings, status } = diagnose(well)
  assert.strictEqual(status, "ok")
  assert.lengthOf(findings, 14)
  assert.strictEqual(new Set(findings.map(({ check }) => check)).size, findings.length)
  for (const { advice } of findings) assert.isNull(advice)
})

describe("services that", () => {
  it("are away are named, each with what does not happen meanwhile", () => {
    const message = one({ ...withServices(gateway, executor()) }, "services", "failed")
    assert.strictEqual(message, "no projector answers")
    assert.strictEqual(one({ ...withServices(executor(), projector) }, "services", "failed"), "no gateway answers")
    assert.strictEqual(
      one({ ...withServices(gateway, projector), liveJobs: [] }, "services", "failed"),
      "no executor answers"
    )
  })

  it("can't be asked are not taken for away", () => {
    const services = Result.fail(new LogUnavailable({ operation: "ask services", cause: "no permission" }))
    assert.match(one({ services, liveJobs: [] }, "services", "failed"), /^services can't be asked: /)
  })

  it("miss what they depend on say so", () => {
    const read_model = { ready: false, detail: "connection refused" }
    assert.strictEqual(
      one({ readiness: { ...well.readiness, ready: false, read_model } }, "readiness", "failed"),
      "this gateway's read_model: connection refused"
    )
    const readiness = { ready: false, event_log: state, chain: { ready: false, detail: "no answer in time" } }
    assert.strictEqual(
      one(withExecutor({ readiness }), "readiness", "failed"),
      "executor EXECUTOR1: chain: no answer in time"
    )
  })

  it("have another time are named, in either direction, from 2 s on", () => {
    const at = (seconds: number) => withExecutor({ clock: DateTime.add(now, { seconds }) })
    assert.match(one(at(3), "clocks", "warning"), /clock of executor EXECUTOR1 is 3\.0 s ahead of/)
    assert.match(one(at(-60), "clocks", "warning"), /is 60\.0 s behind/)
    assert.isEmpty(found(at(2)))
    assert.isEmpty(found(at(-2)))
  })

  it("are of other releases or commits are named", () => {
    const other = { ...projector, version: "0.2.0" }
    const message = one(withServices(gateway, executor(), other), "versions", "warning")
    assert.strictEqual(
      message,
      "releases differ: 0.1.0: gateway GATEWAY1, executor EXECUTOR1; 0.2.0: projector PROJECTOR1"
    )
    const built = { ...projector, metadata: { build: "abc" } }
    assert.match(one(withServices(gateway, executor(), built), "versions", "warning"), /0\.1\.0 of commit abc/)
  })

  it("only another release can read are counted, and nothing is held against them", () => {
    assert.isEmpty(found(withServices(gateway, { ...executor(), report: undefined }, projector)))
  })
})

it("a wallet with jobs that no executor serves is named, whatever the case of its address", () => {
  const liveJobs = [{ owner: owner.toLowerCase(), count: 1 }, { owner: "0xother", count: 2 }]
  const message = one({ liveJobs }, "lanes", "failed")
  assert.strictEqual(message, "no executor that answers has the key of 0xother, and 2 of its jobs have not ended")
})

describe("nats-server", () => {
  it.each(["2.9.9", "2.10.20", "2.10.22"])("%s is refused", (version) => {
    one({ nats: { ...well.nats, version } }, "nats_version", "failed")
  })
  it.each(["2.9.10", "2.10.19", "2.10.23", "2.12.1"])("%s is not", (version) => {
    assert.isEmpty(found({ nats: { ...well.nats, version } }))
  })

  it("that brings events to the disk late can lose them, unless others have them too", () => {
    const late = { version: "2.12.1", syncInterval: "2m", replicas: 1 }
    assert.match(one({ nats: late }, "durability", "warning"), /every 2m/)
    assert.match(one({ nats: { ...late, syncInterval: undefined } }, "durability", "warning"), /as its sync_interval/)
    assert.isEmpty(found({ nats: { ...late, replicas: 3 } }))
  })
})

describe("a wallet that", () => {
  const holds = (balance: bigint | null, price: bigint | null = 100n) =>
    withExecutor({ wallets: [{ owner, balance, price }] })
  it("can't pay for a transaction is empty", () => {
    assert.match(one(holds(0n), "wallets", "failed"), /holds 0 wei/)
    assert.match(one(holds(0n, null), "wallets", "failed"), /holds 0 wei/)
    assert.match(one(holds(99n), "wallets", "failed"), /holds 99 wei/)
  })
  it("pays for fewer than 1,000 is low", () => {
    assert.match(one(holds(99_999n), "wallets", "warning"), /pays for 999 transactions/)
    assert.isEmpty(found(holds(100_000n)))
  })
  it("could not be looked at is not judged", () => {
    assert.isEmpty(found(holds(null)))
    assert.isEmpty(found(holds(1n, null)))
    assert.isEmpty(found(holds(1n, 0n)))
  })
  it("two executors have is named once", () => {
    const { services } = holds(0n)
    assert.isTrue(Result.isSuccess(services))
    const [first, poor, last] = Result.getOrThrow(services)
    one({ services: Result.succeed([first, poor, poor, last].flatMap((one) => one ?? [])) }, "wallets", "failed")
  })
})

describe("an executor", () => {
  it("on another chain, or with other contracts, than the node names is named", () => {
    const chain = { ...network, chain_id: "1", has_contract: true }
    assert.match(one(withExecutor({ chain }), "chain", "failed"), /chain_id 1, and the node says 31337/)
    const storage = { ...network, storage_address: "0xef", has_contract: true }
    assert.match(one(withExecutor({ chain: storage }), "chain", "failed"), /storage_address 0xef, .* says 0xAb/)
    assert.isEmpty(found(withExecutor({ chain: { ...network, storage_address: "0xAB", has_contract: true } })))
  })

  it("on another chain than the others is named while the node is away", () => {
    const other = executor({ chain: { ...network, chain_id: "1", has_contract: true } })
    const seen = { ...withServices(gateway, executor(), other, projector), network: undefined }
    assert.match(one(seen, "chain", "failed"), /chain_id 1, and executor EXECUTOR1 says 31337/)
  })

  it("that finds no contract is heard, and one that can't look is not", () => {
    const chain = { ...network, has_contract: false }
    assert.strictEqual(
      one(withExecutor({ chain }), "contract", "failed"),
      "there is no contract at 0xAb of chain 31337"
    )
    assert.isEmpty(found(withExecutor({ chain: { ...network, has_contract: null } })))
  })
})

describe("the read model", () => {
  it("that misses migrations is behind, whoever knows them", () => {
    const message = one({ migration: { made: 5, needed: 6 } }, "migrations", "failed")
    assert.strictEqual(message, "the read model is at migration 5, and services of this deployment know 6")
    const newer = { ...projector, report: { clock: now, readiness: { ready: true }, migration: 7 } }
    assert.match(one(withServices(gateway, executor(), newer), "migrations", "failed"), /know 7/)
  })

  it("that is ahead of the gateway is reported", () => {
    const message = one({ migration: { made: 7, needed: 6 } }, "migrations", "warning")
    assert.strictEqual(message, "the read model is at migration 7, and this gateway knows 6")
  })

  it("that lags by more than a second is reported", () => {
    const lagging = (projection_lag_ms: number | null) => ({ readiness: { ...well.readiness, projection_lag_ms } })
    assert.match(one(lagging(1_001), "lag", "warning"), /1001 ms behind/)
    assert.isEmpty(found(lagging(1_000)))
    one(lagging(null), "lag", "warning")
  })

  it("that is away leaves what it would show unknown, and no more", () => {
    const unseen = { liveJobs: undefined, openDeadLetters: undefined, webhooks: undefined }
    const checks = found({ ...unseen, migration: { made: undefined, needed: 6 } }).map(({ check }) => check)
    assert.sameMembers(checks, ["migrations", "lanes", "dead_letters", "webhooks"])
  })
})

it("open dead letters are counted", () => {
  assert.strictEqual(one({ openDeadLetters: 2 }, "dead_letters", "warning"), "2 events are set aside")
})

it("webhooks are well as long as a notifier answers, and they do", () => {
  assert.match(one({ webhooks: { enabled: 2, failing: 0 } }, "webhooks", "failed"), /no notifier.*2 webhooks/)
  const withNotifier = withServices(gateway, executor(), projector, instance("notifier"))
  assert.match(one({ ...withNotifier, webhooks: { enabled: 3, failing: 2 } }, "webhooks", "warning"), /2 of 3/)
  assert.isEmpty(found({ ...withNotifier, webhooks: { enabled: 3, failing: 0 } }))
})

it("the worst finding is the deployment's status", () => {
  const { status } = diagnose({ ...well, openDeadLetters: 1, migration: { made: 5, needed: 6 } })
  assert.strictEqual(status, "failed")
})
