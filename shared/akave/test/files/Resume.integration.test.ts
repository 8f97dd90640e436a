import { layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { survives } from "./Kills.ts"
import { FastDevnet, sdk } from "./network.ts"

const Sdk = Layer.provideMerge(sdk(), FastDevnet)

layer(Sdk, { timeout: 240_000, excludeTestServices: true })("an upload that is killed", (it) => {
  const points = process.env["FAILPOINTS"]?.split(",") ?? ["sent=create", "stored=40", "sent=commit"]
  for (const point of points) {
    it.effect(`at ${point} does the rest when it is made again`, () => Effect.scoped(survives(point, 16_000_001)))
  }
})
