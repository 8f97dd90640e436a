import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpRouter } from "effect/http"
import * as Metrics from "../src/Metrics.ts"

const scrape = Effect.promise(async () => {
  const { dispose, handler } = HttpRouter.toWebHandler(
    Metrics.layer("test").pipe(Layer.orDie)
  )
  try {
    const response = await handler(new Request("http://127.0.0.1/metrics"))
    return { type: response.headers.get("content-type"), text: await response.text() }
  } finally {
    await dispose()
  }
})

it.live("a process reports itself and what its code has counted, as Prometheus reads it", () =>
  Effect.gen(function*() {
    const { text, type } = yield* scrape
    assert.include(type, "text/plain; version=0.0.4")
    for (const line of text.trim().split("\n")) {
      assert.match(line, /^(# (HELP|TYPE) [a-z_0-9]+ .+|[a-z_0-9]+(\{([a-z_]+="[^"]*",?)+\})? -?[0-9.e+-]+)$/)
    }
    const valueOf = (name: string) => Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "m").exec(text)?.[1])
    assert.closeTo(valueOf("process_memory_usage_bytes"), process.memoryUsage().rss, 200e6)
    assert.isAbove(valueOf("process_cpu_time_seconds"), 0)
    assert.isAtLeast(valueOf("nodejs_eventloop_delay_p99_seconds"), 0)
    assert.match(text, /^akave_build_info\{.*service="test".*version="\d+\.\d+\.\d+".*\} 1$/m)
  }))
