/**
 * Loaded into a service by NODE_OPTIONS: does to that one process what a file named after its process id says, in the folder
 * of FAULTS_PRELOAD_DIR. The file holds JSON: `shiftMillis` moves the wall clock, `blockMillis` stops the event loop for so
 * long, once. Timers run on the monotonic clock, and are not moved, as on a real machine.
 */
import { readFileSync, rmSync } from "node:fs"
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

const obey = () => {
  let text: string
  try {
    text = readFileSync(file, "utf8")
    rmSync(file)
  } catch {
    return
  }
  const order: { readonly shiftMillis?: number; readonly blockMillis?: number } = JSON.parse(text)
  shiftMillis = order.shiftMillis ?? shiftMillis
  if (order.blockMillis !== undefined) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.blockMillis)
  }
}
setInterval(obey, 50).unref()
