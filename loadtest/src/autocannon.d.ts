/** The part of autocannon 9.0.0 that is used here; it brings no types of its own. */
declare module "autocannon" {
  export interface Client {
    setBody(body: string): void
    destroy(): void
    /** Sends the next request. Not part of the documented API. */
    _doRequest(): void
  }

  export interface Options {
    readonly url: string
    readonly connections: number
    /** In seconds. */
    readonly duration: number
    /** In seconds. */
    readonly timeout: number
    readonly requests: ReadonlyArray<{
      readonly method: string
      readonly path: string
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
      readonly onResponse: (status: number, body: string) => void
    }>
    readonly setupClient: (client: Client) => void
  }

  export interface Instance {
    on(event: "response", listen: (client: Client, status: number, bytes: number, millis: number) => void): void
  }

  export default function autocannon(options: Options, done: (error: Error | null) => void): Instance
}
