/**
 * Loaded into a service by NODE_OPTIONS: does to that one process what a file named after its process id says, in the folder
 * of FAULTS_PRELOAD_DIR. The file holds JSON: `shiftMillis` moves the wall clock, `blockMillis` stops the event loop for so
 * long, once, and `delayMillis` is how much later each read and write of an open file is done from then on. Timers run on the
 * monotonic clock, and are not moved, as on a real machine.
 */
import { readFileSync, rmSync } from "node:fs"
import { open } from "node:fs/promises"
import { join } from "node:path"

const file = join(process.env["FAULTS_PRELOAD_DIR"] ?? "", `${process.pid}.json`)
const RealDate = Date
let shiftMillis = 0

class ShiftedDate extends RealDate {
  constructor(...args: []) {
    if (args.length === 0) super(RealDate.now() + shiftMillis)
    else super(...args)
  }
  static override now() {
    return RealDate.now() + shiftMillis
  }
}
globalThis.Date = ShiftedDate as DateConstructor

let delayMillis = 0
const own = await open(process.execPath)
/** What all open files have their methods from. */
const files: Record<"read" | "write", (...args: Array<unknown>) => Promise<unknown>> = Object.getPrototypeOf(own)
await own.close()
for (const method of ["read", "write"] as const) {
  const real = files[method]
  files[method] = async function(this: unknown, ...args) {
    if (delayMillis > 0) await new Promise((resolve) => setTimeout(resolve, delayMillis))
    return real.apply(this, args)
  }
}

const obey = () => {
  let text: string
  try {
    text = readFileSync(file, "utf8")
    rmSync(file)
  } catch {
    return
  }
  const order: { readonly shiftMillis?: number; readonly blockMillis?: number; readonly delayMillis?: number } = JSON
    .parse(text)
  delayMillis = order.delayMillis ?? delayMillis
  shiftMillis = order.shiftMillis ?? shiftMillis
  if (order.blockMillis !== undefined) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.blockMillis)
  }
}
setInterval(obey, 50).unref()
