/** Debian's PgBouncer in front of a Postgres, as hosted databases have it. */
import * as Ports from "@akave-async/local/Ports"
import * as Processes from "@akave-async/local/Processes"
import { Reaper } from "@akave-async/local/Reaper"
import { Context, Effect, Layer } from "effect"
import { spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"

/** Packages put it where ordinary users' PATHs do not look. */
const PATH = [Processes.inherited()["PATH"] ?? "", "/usr/sbin"].join(delimiter)
export const hasPgBouncer = spawnSync("pgbouncer", ["--version"], { env: { PATH } }).error === undefined
if (!hasPgBouncer) console.warn("pgbouncer is not on this machine (apt-get install pgbouncer): it is not tested with")

/** A pooler in transaction mode, with fewer sessions than it gets clients; nothing else differs from its defaults. */
export const make = Effect.fnUntraced(function*(postgresPort: number) {
  const context = yield* Layer.build(Reaper.layer)
  const root = Context.get(context, Reaper).temporaryFolder()
  const port = yield* Ports.free
  const [file, sockets] = [join(root, "pgbouncer.ini"), join(root, "sockets")]
  mkdirSync(sockets)
  for (const folder of [root, sockets]) chmodSync(folder, 0o777)
  writeFileSync(
    file,
    `[databases]
akave = host=${Ports.host} port=${postgresPort} user=akave
[pgbouncer]
listen_addr = ${Ports.host}
listen_port = ${port}
unix_socket_dir = ${sockets}
auth_type = any
pool_mode = transaction
default_pool_size = 3
${process.getuid?.() === 0 ? "user = nobody" : ""}
`
  )
  const pooler = yield* Processes.make({
    name: "pgbouncer",
    command: "pgbouncer",
    args: [file],
    env: { PATH },
    logFile: join(root, "pgbouncer.log"),
    pidFile: join(root, "pgbouncer.pid"),
    isReady: (line) => line.includes("process up") ? {} : undefined
  }).pipe(Effect.provideContext(context))
  yield* pooler.start
  return {
    url: `postgres://akave@${Ports.host}:${port}/akave`,
    socketUrl: `postgres://akave@/akave?host=${sockets}&port=${port}`
  }
})
