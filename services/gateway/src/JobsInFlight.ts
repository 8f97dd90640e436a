/** How many jobs of an account are in flight: counted by the read model when it is first asked, and from the log since. */
import { type Caller, tenantOf } from "@akave-async/api/Caller"
import * as Job from "@akave-async/domain/Job"
import type { Sequence, StoredEvent } from "@akave-async/eventing/EventLog"
import type { Current } from "@akave-async/eventing/JobEvents"
import { ofOwner } from "@akave-async/eventing/Recent"
import { Registry } from "@akave-async/eventing/Registry"
import { Tail } from "@akave-async/eventing/Tail"
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import * as Retry from "@akave-async/platform/Retry"
import { Context, Effect, Latch, Layer, Schema } from "effect"
import { ReadModel } from "./ReadModel.ts"

/** Events are counted together that come within this time: until they are, what was asked for counts. */
const together = "5 millis"
/** The first request of an account waits so long for the count; what is not counted by then has no limit until it is. */
const patience = "1 second"

export class TooManyJobs extends Schema.TaggedError<TooManyJobs>()("TooManyJobs", {
  inFlight: Schema.Natural,
  asked: Schema.Natural,
  limit: Schema.Natural
}) {
  override readonly message =
    `${this.inFlight} jobs of the account are in flight, and the request asks for ${this.asked} more, of ${this.limit} that may be`
}

/** Jobs that a request asks for, until the log has shown what has become of them. */
interface Asked {
  readonly jobs: number
  /** Where the last of them is in the log; undefined while the request is under way. */
  storedAt: Sequence | undefined
}

/** The jobs of an account. */
class Account {
  /** Opened when they are counted, or can't be for now. */
  readonly begun = Latch.makeUnsafe()
  isCounted = false
  readonly #asked = new Set<Asked>()
  #askedJobs = 0
  #inFlight = 0
  /** Events before this one are counted. */
  #next: Sequence = 1

  get next(): Sequence {
    return this.#next
  }

  /** Those that were asked for too. */
  get inFlight(): number {
    return this.#inFlight + this.#askedJobs
  }

  /** Begins with so many jobs that have not ended before this event. */
  begin(inFlight: number, next: Sequence): void {
    this.#inFlight = inFlight
    this.#passed(next)
  }

  /** Counts what an event of this sequence has done to a job of the account, if to any. */
  count(sequence: Sequence, step: Job.StepName | undefined): void {
    if (step === "requested") this.#inFlight++
    else if (step !== undefined && Job.isTerminal(step)) this.#inFlight--
    this.#passed(sequence + 1)
  }

  ask(jobs: number): (accepted: ReadonlyArray<Current>) => void {
    const asked: Asked = { jobs, storedAt: undefined }
    this.#asked.add(asked)
    this.#askedJobs += jobs
    return (accepted) => {
      asked.storedAt = accepted.reduce((last, { revision }) => Math.max(last, revision), 0)
      this.#passed(this.#next)
    }
  }

  #passed(next: Sequence): void {
    this.#next = next
    for (const one of this.#asked) {
      if ((one.storedAt ?? next) >= next) continue
      this.#asked.delete(one)
      this.#askedJobs -= one.jobs
    }
  }
}

type By = Caller["Service"]

export class JobsInFlight extends Context.Service<JobsInFlight, {
  /**
   * Counts so many jobs as in flight, unless the caller's account would then have more of them than it may. Gives what is to be
   * called with the jobs that the request for them was answered with: none, where it was not accepted.
   */
  reserve(
    caller: By,
    jobs: number
  ): Effect.Effect<(accepted: ReadonlyArray<Current>) => void, TooManyJobs>
}>()("@akave-async/gateway/JobsInFlight") {
  static readonly layer = Layer.effect(
    JobsInFlight,
    Effect.gen(function*() {
      const readModel = yield* ReadModel
      const tail = yield* Tail
      const { kinds } = yield* Registry
      const steps = new Map(kinds.flatMap(({ steps }) => [...steps]))
      const scope = yield* Effect.scope
      const accounts = new Map<string, Account>()

      /** What an event has done to a job of the account; its type says that. */
      const stepOf = ({ headers }: StoredEvent, tenant: string | undefined) =>
        headers["ce-account"] === tenant ? steps.get(headers["ce-type"] ?? "") : undefined

      const follow = Effect.fnUntraced(
        function*(caller: By, account: Account) {
          const { applied, jobs } = yield* readModel.inFlight(caller)
          account.begin(jobs, applied + 1)
          yield* tail.caughtUp
          const end = yield* tail.next
          const { take } = yield* tail.follow(ofOwner(caller.owner), account.next)
          const { tenant } = tenantOf(caller)
          while (true) {
            const events = yield* take(account.isCounted ? "1 minute" : "20 millis")
            for (const event of events) account.count(event.sequence, stepOf(event, tenant))
            if (events.length > 0) yield* Effect.sleep(together)
            // What the log held by now comes at once, and then perhaps what others of the wallet do all the time.
            if (account.isCounted || (events.length > 0 && account.next < end)) continue
            account.isCounted = true
            yield* account.begun.open
          }
        },
        Effect.scoped
      )

      const open = Effect.fnUntraced(function*(caller: By) {
        const account = new Account()
        accounts.set(caller.account, account)
        const warn = RepeatedWarning.make()
        yield* follow(caller, account).pipe(
          Effect.tapError(({ _tag, message }) => {
            // The count is right but for what came since.
            if (_tag !== "CutOff") account.isCounted = false
            return Effect.andThen(account.begun.open, warn("jobs in flight are not counted", message))
          }),
          Effect.retry(Retry.endless("1 second")),
          Effect.forkIn(scope)
        )
        return account
      })

      const reserve = Effect.fnUntraced(function*(caller: By, jobs: number) {
        const limit = caller.limits?.jobsInFlight
        if (limit === undefined) return () => {}
        const account = accounts.get(caller.account) ?? (yield* open(caller))
        if (!account.begun.isOpen()) yield* Effect.timeoutOption(account.begun.await, patience)
        const { inFlight } = account
        if (account.isCounted && inFlight + jobs > limit) {
          return yield* new TooManyJobs({ inFlight, asked: jobs, limit })
        }
        return account.ask(jobs)
      })
      return JobsInFlight.of({ reserve })
    })
  )
}
