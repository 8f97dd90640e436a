// @ts-check
/**
 * Which variables of a shell reach what is started here. Plain JavaScript: the bootstrap needs it on any Node.
 *
 * Libraries read many variables by themselves: pg all that begin with PG, grpc-js proxies and GRPC_*, Node its NODE_*,
 * npm and pnpm npm_config_*. What a shell holds for other programs must not change what runs here.
 */

/** @typedef {Readonly<Record<string, string | undefined>>} Environment */

/** What Node, the system's libraries and telemetry need, and what leads to the world outside. */
const system =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TMP|TEMP|(DY)?LD_LIBRARY_PATH|DYLD_FALLBACK_LIBRARY_PATH|NODE_EXTRA_CA_CERTS|NODE_USE_SYSTEM_CA|NODE_COMPILE_CACHE|SSL_CERT_FILE|SSL_CERT_DIR|OTEL_\w+|(http|https|all|grpc|no|no_grpc)_proxy|NODE_USE_ENV_PROXY)$/i

/** What pg reads beside its URL. */
const postgres = /^PG[A-Z]+$/

/** Settings that say with which programs to test. */
const programs = /^(NATS_SERVER_BIN|K6|SIMULATION_\w+)$/

/** Of npm's and pnpm's settings, those that say how to reach a registry; the others say what to install and where. */
const registry =
  /^p?npm_config_(.*registry|.*proxy|ca|cafile|cert|key|strict_ssl|_auth.*|\/\/.*|userconfig|globalconfig|cache|store_dir|fetch_.*|network_.*|maxsockets|local_address|offline|prefer_offline)$/i

/**
 * @param {Environment} env
 * @param {(name: string) => boolean} isWanted
 * @returns {Record<string, string | undefined>}
 */
const only = (env, isWanted) => Object.fromEntries(Object.entries(env).filter(([name]) => isWanted(name)))

/**
 * What a service gets: what the system needs, and the settings that it may be given.
 *
 * @param {Environment} env
 * @param {{ readonly settings: ReadonlySet<string>, readonly hasOwnPostgres: boolean }} options with another's Postgres,
 *   pg's own variables are that one's settings.
 */
export const forServices = (env, { hasOwnPostgres, settings }) =>
  only(env, (name) => system.test(name) || (postgres.test(name) ? !hasOwnPostgres : settings.has(name)))

/**
 * What tests get, which talk to servers of their own: all but the settings, and pg's variables.
 *
 * @param {Environment} env
 * @param {ReadonlySet<string>} settings
 */
export const forTests = (env, settings) =>
  exceptLoopback(only(env, (name) => programs.test(name) || (!settings.has(name) && !postgres.test(name))))

/**
 * What the installation of packages gets: a shell for production must not leave out what develops and tests.
 *
 * @param {Environment} env
 */
export const forInstallation = (env) =>
  only(env, (name) => name !== "NODE_ENV" && (!/^p?npm_config_/i.test(name) || registry.test(name)))

/**
 * Takes this machine out of what goes to a proxy.
 *
 * @param {Environment} env
 * @returns {Record<string, string | undefined>}
 */
export const exceptLoopback = (env) => {
  const listed = (env["no_proxy"] || env["NO_PROXY"] || "").split(/[\s,]+/)
  const list = [...new Set([...listed, "localhost", "127.0.0.1", "::1", "[::1]"])].filter((host) => host !== "").join(
    ","
  )
  return { ...env, no_proxy: list, NO_PROXY: list }
}

/**
 * The names of all settings, out of the text that documents them.
 *
 * @param {string} example
 * @returns {ReadonlySet<string>}
 */
export const settingsIn = (example) =>
  new Set(Array.from(example.matchAll(/^#([A-Z][A-Z0-9_]*)=/gm), ([, name = ""]) => name))
