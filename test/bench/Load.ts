/** A client that keeps so many connections busy with requests for buckets, each of a name of its own. */
import { Agent, request } from "node:http"

export interface Target {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What a round has measured: requests that were accepted in a second, and their times in milliseconds. */
export interface Round {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
}

let names = 0

/** Asks for so many milliseconds. Fails with the first answer that is not 202. */
export const run = async ({ headers = {}, url }: Target, connections: number, millis: number): Promise<Round> => {
  const { hostname, port } = new URL(url)
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const one = () =>
    new Promise<number>((resolve, reject) => {
      const body = JSON.stringify({ name: `bench-${process.pid}-${++names}` })
      const begun = performance.now()
      const asked = request({
        agent,
        hostname,
        port,
        method: "POST",
        path: "/buckets",
        headers: { ...headers, "content-type": "application/json", "content-length": body.length }
      }, (response) => {
        response.resume().on("end", () =>
          response.statusCode === 202
            ? resolve(performance.now() - begun)
            : reject(new Error(`a request was answered with ${response.statusCode}`)))
      })
      asked.on("error", reject).end(body)
    })
  const times: Array<number> = []
  const begun = performance.now()
  await Promise.all(Array.from({ length: connections }, async () => {
    while (performance.now() < begun + millis) times.push(await one())
  }))
  const seconds = (performance.now() - begun) / 1000
  agent.destroy()
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(share * times.length)] ?? Number.NaN
  return { perSecond: times.length / seconds, p50: at(0.5), p99: at(0.99) }
}
