/** Proxies that a service's environment names. */
import * as Http from "node:http"

/**
 * Makes all libraries that read proxies from the environment agree: they read them in either case, leave alone what
 * NO_PROXY names, and never send to a proxy what is on this machine. Changes the environment, and does nothing where it
 * names no proxy.
 *
 * grpc-js reads small letters only, takes blanks in a list for part of a name, an empty entry for all names, and knows
 * no `*`. Node's fetch and http read proxies where NODE_USE_ENV_PROXY is 1, and the list at the process's start.
 */
export const exceptLoopback = (env: NodeJS.ProcessEnv): void => {
  const setting = (...names: ReadonlyArray<string>) =>
    names.flatMap((name) => [name, name.toUpperCase()]).map((name) => env[name]).find((value) => value)
  const grpcProxy = setting("grpc_proxy", "https_proxy", "http_proxy")
  if (grpcProxy === undefined) return
  const grpcDirect = setting("no_grpc_proxy", "no_proxy")

  env["no_proxy"] = env["NO_PROXY"] = [...entries(setting("no_proxy")), "localhost", "127.0.0.1", "::1", "[::1]"].join(
    ","
  )
  env["grpc_proxy"] = grpcProxy
  env["no_grpc_proxy"] = [
    ...entries(grpcDirect).map((entry) => entry.replace(/^\*/, "")),
    "localhost",
    "127.0.0.0/8",
    "::1"
  ].join(",")
  // Not every Node 22 has it.
  if (env["NODE_USE_ENV_PROXY"] === "1") Http.setGlobalProxyFromEnv?.(env)
}

const entries = (list = ""): ReadonlyArray<string> => list.split(/[\s,]+/).filter((entry) => entry !== "")
