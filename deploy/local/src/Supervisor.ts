/** Keeps the processes of a stack up for as long as it runs. No process's end stops the others. */
import { Console, Duration, Effect } from "effect"
import type * as Processes from "./Processes.ts"
import type { Service } from "./Stack.ts"

export interface Options {
  /** Runs when a service is up again. */
  readonly onReady?: (service: Service, running: Processes.Running) => Effect.Effect<void>
  /** Reports a person what happens. */
  readonly report?: (text: string) => Effect.Effect<void>
  /** The pause before the first start of several that fail; each further one is twice as long, up to the longest. */
  readonly firstPause?: Duration.Input
  readonly longestPause?: Duration.Input
  /** A process that was ready for so long has not failed: its pauses begin anew. */
  readonly steadyAfter?: Duration.Input
}

/** Starts again what ends, and never gives up. To be run once all services were started. */
export const keepUp = (services: ReadonlyArray<Service>, options: Options = {}): Effect.Effect<never> =>
  Effect.andThen(
    Effect.forEach(services, (service) => keepOneUp(services, service, options), {
      concurrency: "unbounded",
      discard: true
    }),
    Effect.never
  )

const keepOneUp = Effect.fnUntraced(function*(services: ReadonlyArray<Service>, service: Service, options: Options) {
  const { process } = service
  const { onReady = () => Effect.void, report = (text) => Console.log(`  ${text}`) } = options
  const firstPause = Duration.toMillis(options.firstPause ?? "500 millis")
  const longestPause = Duration.toMillis(options.longestPause ?? "30 seconds")
  const steadyAfter = Duration.toMillis(options.steadyAfter ?? "10 seconds")
  const needs = services.filter((one) => service.needs.includes(one.process.name)).map((one) => one.process)
  /** Ends without a while of being up in between, or a dependency that was away. */
  let failures = 0

  while (true) {
    const ended = yield* process.exited
    const how = ended.signal ?? `exit code ${ended.code}`
    let reason = `${process.name} ended (${how}), saying at last: ${ended.lastWords}.`
    if (ended.readyMillis >= steadyAfter) failures = 0
    while (true) {
      const missing = yield* away(needs)
      if (missing.length > 0) {
        yield* report(`${reason} It is started again when ${missing.join(" and ")} can be reached.`)
      } else {
        const pause = Math.min(firstPause * 2 ** failures, longestPause)
        failures++
        yield* report(`${reason} Starting it again in ${(pause / 1000).toFixed(2)} s.`)
        yield* Effect.sleep(pause)
      }
      const before = yield* untilUp(needs)
      const result = yield* Effect.result(process.start)
      if (result._tag === "Success") {
        yield* onReady(service, result.success)
        break
      }
      reason = `${result.failure.message}.`
      // What it needs has ended meanwhile: that is no failure of its own.
      const after = yield* pidsOf(needs)
      if (failures > 0 && before.some((pid, index) => pid !== after[index])) failures--
    }
  }
})

const pidsOf = (processes: ReadonlyArray<Processes.Process>) => Effect.forEach(processes, (process) => process.pid)

/** The names of those that are not ready. */
const away = (processes: ReadonlyArray<Processes.Process>) =>
  Effect.map(
    Effect.forEach(processes, (process) => process.running),
    (states) => processes.flatMap(({ name }, index) => states[index] === undefined ? [name] : [])
  )

const untilUp = Effect.fnUntraced(function*(processes: ReadonlyArray<Processes.Process>) {
  while ((yield* away(processes)).length > 0) yield* Effect.sleep("100 millis")
  return yield* pidsOf(processes)
})
