/** A whole stack for a load test where no gateway runs: as `npm start` has it, on a new folder that goes with it. */
import * as Stack from "@akave-async/local/Stack"
import * as Supervisor from "@akave-async/local/Supervisor"
import { Console, Effect } from "effect"

/** Starts it and keeps it up until the scope closes; gives the gateway's address. */
export const started = Effect.gen(function*() {
  const stack = yield* Stack.make({ shell: process.env, isDurable: true })
  yield* Effect.addFinalizer(() => Console.log("Stopping the stack."))
  yield* stack.start()
  yield* Effect.forkScoped(Supervisor.keepUp(stack.services), { startImmediately: true })
  return stack.gatewayUrl
})
