/** The client of a gateway: a method for each route, and what is made of several of them. */
import type { CallOptions } from "./CallOptions.ts"
import { ArgumentInvalid, JobFailed } from "./Errors.ts"
import * as EventStream from "./EventStream.ts"
import * as Files from "./Files.ts"
import type { CreateOptions, JobOf, Submitted } from "./Jobs.ts"
import { parameter, withQuery } from "./Paths.ts"
import { failureDelay, maxFailures } from "./Polling.ts"
import type { Route } from "./Route.ts"
import { webCrypto } from "./Signing.ts"
import { sleep } from "./Timing.ts"
import { mayPass, type Settings, type Transport } from "./Transport.ts"
import * as TransportHttp from "./Transport.ts"
import * as Waits from "./Waits.ts"
import * as Webhooks from "./Webhooks.ts"
import { type Capabilities, type Event, type Job, type Methods, routes } from "./Wire.ts"

export interface FollowOptions {
  /** The sequence of the last event that the caller has. */
  readonly after?: string | number
  readonly signal?: AbortSignal
}

type SubmitOptions = CallOptions

export interface Client extends Omit<Methods, "jobs" | "events" | "buckets" | "files" | "webhooks"> {
  /** The gateway's URL. */
  readonly url: string
  /** Asks for a bucket, and gives the job that creates it at once. */
  submitBucket(name: string, options?: SubmitOptions): Promise<JobOf<"bucket.create">>
  /** Creates a bucket: asks for it, and waits for the end of its job. Fails with {@link JobFailed} where that is no success. */
  createBucket(name: string, options?: CreateOptions): Promise<JobOf<"bucket.create">>
  /** Asks for any operation that the gateway has, by its name in the capabilities, and gives the job at once. */
  submit(operation: string, input: Readonly<Record<string, unknown>>, options?: SubmitOptions): Promise<Job>
  readonly buckets: Methods["buckets"] & {
    /** Deletes a bucket: asks for it, and waits for the end of its job. */
    delete(name: string, options?: CreateOptions): Promise<JobOf<"bucket.delete">>
  }
  readonly files: Files.FileMethods
  readonly jobs: Methods["jobs"] & {
    /** A job as it is now. */
    get(job_id: string, options?: CallOptions): Promise<Job>
    /** The job once it has ended, however that was. */
    wait(job_id: string, options?: Waits.WaitOptions): Promise<Job>
    /** The events of a job, from its first one on as they come, until its last one. */
    events(job_id: string, options?: FollowOptions): AsyncIterable<Event>
  }
  readonly webhooks: Methods["webhooks"] & {
    /** The event of a delivery, once it is sure that the gateway has sent it. */
    readonly verify: typeof Webhooks.verify
  }
  readonly events: Methods["events"] & {
    /** All events as they come, from the next one on, or from the one after `after`. */
    follow(options?: FollowOptions): AsyncIterable<Event>
  }
}

/** The client over a transport. */
export const make = (settings: Settings): Client => {
  const transport = TransportHttp.make(settings)
  const waits = Waits.make(transport)
  const methods = methodsOf(transport)

  const submitted: Submitted = <Operation extends Job["operation"]>(
    job: Promise<Job>,
    { onChange, signal, timeout = settings.timeout }: CreateOptions = {}
  ): Promise<JobOf<Operation>> => {
    const end = performance.now() + timeout
    return job.then(async ({ job_id }) => {
      const ended = await waits.wait(job_id, {
        timeout: Math.max(1, end - performance.now()),
        ...(signal === undefined ? {} : { signal }),
        ...(onChange === undefined ? {} : { onChange })
      })
      if (ended.status !== "completed") throw new JobFailed(ended)
      return ended as JobOf<Operation>
    })
  }

  const follow = (path: string, { after, signal }: FollowOptions = {}) =>
    EventStream.follow(transport, path, {
      after: after === undefined ? undefined : `${after}`,
      signal,
      pause: async (failures, error) => {
        if (error !== undefined && (!mayPass(error) || failures >= maxFailures)) throw error
        if (failures > 0) await sleep(failureDelay(failures, error), signal)
      }
    })

  const submit = async (operation: string, input: Readonly<Record<string, unknown>>, options?: SubmitOptions) => {
    const { operations } = await capabilitiesOf(transport)
    const found = operations.find((one) => one.operation === operation)
    if (found === undefined) {
      const known = operations.map((one) => one.operation).join(", ")
      throw new ArgumentInvalid(`the gateway has no operation ${JSON.stringify(operation)}: it has ${known}`)
    }
    const params = Array.from(found.path.matchAll(/\{(\w+)\}/g), ([, name = ""]) => name)
    const body = Object.fromEntries(Object.entries(input).filter(([name]) => !params.includes(name)))
    const hasBody = Object.keys(body).length > 0
    const route: Route = { method: found.method, path: found.path, params, isKeyed: true, hasBody }
    const args = [...params.map((name) => input[name]), ...(hasBody ? [body] : []), options]
    return call(transport, route, args) as Promise<Job>
  }

  return {
    ...methods,
    url: settings.url,
    submitBucket: (name, options) => methods.buckets.submit({ name }, options) as Promise<JobOf<"bucket.create">>,
    createBucket: (name, options) => submitted<"bucket.create">(methods.buckets.submit({ name }, options), options),
    submit,
    system: { ...methods.system, capabilities: () => capabilitiesOf(transport) },
    buckets: {
      ...methods.buckets,
      delete: (name, options) => submitted<"bucket.delete">(methods.buckets.submitDelete(name, options), options)
    },
    files: Files.make(transport, methods.files, submitted),
    jobs: {
      ...methods.jobs,
      get: (job_id, options) =>
        call(transport, { method: "GET", path: "/jobs/{job_id}", params: ["job_id"] }, [job_id, options]) as Promise<
          Job
        >,
      wait: (job_id, options) => waits.wait(job_id, options),
      events: (job_id, options) => follow(`/jobs/${parameter("job_id", job_id)}/events`, options)
    },
    webhooks: { ...methods.webhooks, verify: Webhooks.verify },
    events: { ...methods.events, follow: (options) => follow("/events", options) }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Methods

/** What a method gives, a promise or an iterator, and the place of its options among its arguments. */
export interface Kind {
  readonly kind: "call" | "iterator"
  readonly optionsAt: number
}

/** The methods that are not of the table of routes. */
const ownKinds: Readonly<Record<string, Kind>> = {
  submitBucket: { kind: "call", optionsAt: 1 },
  createBucket: { kind: "call", optionsAt: 1 },
  submit: { kind: "call", optionsAt: 2 },
  "buckets.delete": { kind: "call", optionsAt: 1 },
  "files.upload": { kind: "call", optionsAt: 3 },
  "files.submitUpload": { kind: "call", optionsAt: 3 },
  "files.download": { kind: "call", optionsAt: 2 },
  "files.downloadIfChanged": { kind: "call", optionsAt: 3 },
  "files.requestDownload": { kind: "call", optionsAt: 2 },
  "files.openDownload": { kind: "call", optionsAt: 1 },
  "files.info": { kind: "call", optionsAt: 2 },
  "files.delete": { kind: "call", optionsAt: 2 },
  "files.setAccess": { kind: "call", optionsAt: 3 },
  "jobs.get": { kind: "call", optionsAt: 1 },
  "jobs.wait": { kind: "call", optionsAt: 1 },
  "jobs.events": { kind: "iterator", optionsAt: 1 },
  "events.follow": { kind: "iterator", optionsAt: 0 },
  "webhooks.verify": { kind: "call", optionsAt: 3 }
}

/** The kind of a method, by its path in the client. */
export const kindOf = (path: string): Kind => {
  const [group = "", name = ""] = path.split(".")
  const ofGroup: Readonly<Record<string, Route>> = Object(Object(routes)[group])
  const route = ofGroup[name]
  const kind = ownKinds[path]
  if (kind !== undefined) return kind
  if (route === undefined) throw new Error(`there is no method ${path}`)
  const { hasBody = false, hasQuery = false, items, params } = route
  return {
    kind: items === undefined ? "call" : "iterator",
    optionsAt: params.length + Number(hasBody) + Number(hasQuery)
  }
}

/** A method for each route of the table. */
const methodsOf = (transport: Transport): Methods =>
  Object.fromEntries(
    Object.entries(routes).map(([group, ofGroup]) => [
      group,
      Object.fromEntries(
        Object.entries<Route>(ofGroup).map(([name, route]) => [
          name,
          (...args: ReadonlyArray<unknown>) =>
            route.items === undefined ? call(transport, route, args) : pages(transport, route, args)
        ])
      )
    ])
  ) as unknown as Methods

/** What the arguments of a method are, by their places: path, body, query, options. */
const argumentsOf = (route: Route, args: ReadonlyArray<unknown>) => {
  const path = route.params.reduce((path, name, n) => path.replace(`{${name}}`, parameter(name, args[n])), route.path)
  const rest = args.slice(route.params.length)
  const body = route.hasBody === true ? rest.shift() ?? {} : undefined
  const query = route.hasQuery === true ? rest.shift() : undefined
  return { path, body, query, options: rest[0] as CallOptions | undefined }
}

const safe = new Set(["GET", "HEAD", "PUT"])

const call = async (transport: Transport, route: Route, args: ReadonlyArray<unknown>): Promise<unknown> => {
  const { body, options, path, query } = argumentsOf(route, args)
  const key = route.isKeyed === true ? options?.idempotencyKey ?? (await webCrypto()).randomUUID() : undefined
  const tag = route.isConditional === true ? options?.ifMatch : undefined
  const answer = await transport.send({
    method: route.method,
    path: withQuery(path, query),
    ...(body === undefined ? {} : { body }),
    headers: {
      ...(key === undefined ? {} : { "idempotency-key": key }),
      ...(tag === undefined ? {} : { "if-match": `"${tag}"` })
    },
    isRepeatable: key !== undefined || safe.has(route.method)
  }, options)
  return answer.body
}

/** All that a list has, page after page. */
async function* pages(transport: Transport, route: Route, args: ReadonlyArray<unknown>): AsyncGenerator<unknown> {
  const { options, path, query } = argumentsOf(route, args)
  for (let after: unknown = Object(query).after;;) {
    const request = { method: "GET", path: withQuery(path, { ...Object(query), after }), isRepeatable: true }
    const { body } = await transport.send(request, options)
    yield* Object(body)[route.items ?? ""]
    after = Object(body).next
    if (after === null || after === undefined) return
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Capabilities

interface Kept {
  readonly until: number
  readonly etag: string | null
  readonly capabilities: Capabilities
}
/** By URL and account. */
const kept = new Map<string, Kept>()
const keptFor = 3_600_000

/** What the gateway can do: asked for once an hour, and then only whether it has changed. */
const capabilitiesOf = async (transport: Transport): Promise<Capabilities> => {
  const { credentials, url } = transport.settings
  const account = credentials === undefined ? "" : "apiKey" in credentials ? credentials.apiKey : credentials.publicKey
  const key = `${url} ${account}`
  const known = kept.get(key)
  if (known !== undefined && known.until > Date.now()) return known.capabilities
  const { body, headers } = await transport.send({
    method: "GET",
    path: "/capabilities",
    headers: known?.etag == null ? {} : { "if-none-match": known.etag },
    isRepeatable: true
  })
  const capabilities = body === undefined && known !== undefined ? known.capabilities : body as Capabilities
  kept.set(key, { until: Date.now() + keptFor, etag: headers.get("etag"), capabilities })
  return capabilities
}
