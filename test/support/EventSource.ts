/** A client of a stream of Server-Sent Events, over plain HTTP. */
import { Agent, get } from "node:http"

export interface Options {
  readonly url: string
  readonly lastEventId?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Each event's id and data, as they come. False ends the connection. */
  readonly onEvent: (id: number, data: string) => boolean
}

const agent = new Agent({ maxSockets: Infinity, keepAlive: false })

/** Reads one stream to its end, however it comes; gives the status of the answer, 0 where there was none. */
export const read = ({ headers: own = {}, lastEventId, onEvent, url }: Options): Promise<number> =>
  new Promise((resolve) => {
    let status = 0
    const headers = {
      ...own,
      accept: "text/event-stream",
      ...(lastEventId === undefined ? {} : { "last-event-id": `${lastEventId}` })
    }
    const request = get(url, { agent, headers }, (response) => {
      status = response.statusCode ?? 0
      let rest = ""
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => {
        const frames = (rest + chunk).split("\n\n")
        rest = frames.pop() ?? ""
        for (const frame of frames) {
          const id = /^id: (.*)$/m.exec(frame)?.[1]
          const data = /^data: (.*)$/m.exec(frame)?.[1]
          if (id === undefined || data === undefined) continue
          if (!onEvent(Number(id), data)) return request.destroy()
        }
        return undefined
      })
      response.on("error", () => {})
    })
    request.on("error", () => {})
    request.on("close", () => resolve(status))
  })
