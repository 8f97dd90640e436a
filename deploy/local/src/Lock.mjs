// @ts-check
/**
 * Locks between processes, for the bootstrap, the data folder and ports. Plain JavaScript without dependencies: the
 * bootstrap takes one before any package is installed.
 *
 * A lock is a folder that holds one file for each process it is held for. It is taken by renaming a folder with such a
 * file in it to the lock's place, which the system does only where nothing or an empty folder is. What a dead process
 * left is removed by the name of its file, which nobody else ever has: so nobody removes the file of the next holder,
 * however late it comes. A file is complete before it can be seen. It names the folder that it was made for, so that
 * the copy of a folder is free.
 */
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import { dirname, join } from "node:path"
import { find, identity } from "./ProcessIdentity.mjs"

/** @typedef {{ readonly pid: number, readonly command: string, readonly since: Date }} Holder */
/**
 * @typedef {object} Lock
 * @property {() => void} release
 * @property {(pid: number, command: string) => () => void} extend Holds it for another process too, even if this one
 *   dies; returns what ends that.
 */

/**
 * Takes the lock for this process, or reports who holds it. A lock whose processes are all gone is free.
 *
 * @param {string} path in a folder that exists
 * @param {string} [command] asked to those who find it held
 * @returns {{ readonly lock: Lock, readonly holder?: never } | { readonly lock?: never, readonly holder: Holder }}
 */
export const take = (path, command = commandOf(process.argv)) => {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const holder = holderOf(path)
    if (holder !== undefined) return { holder }
    const name = newName(process.pid)
    const made = `${path}.${name}`
    try {
      fs.mkdirSync(made)
      write(join(made, name), process.pid, command, placeOf(path))
      fs.renameSync(made, path)
      return { lock: lockAt(path, name) }
    } catch (error) {
      fs.rmSync(made, { recursive: true, force: true })
      // Another one was first, or something else came into its place.
      if (!["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(codeOf(error))) throw error
    }
  }
  throw new Error(`${path} can't be taken as a lock: remove it if no start of this stack runs`)
}

/** Each failed attempt means that another process got the lock meanwhile, or that the path can't be one. */
const maxAttempts = 100

/**
 * @param {string} path
 * @param {string} name
 * @returns {Lock}
 */
const lockAt = (path, name) => ({
  release: () => {
    unlink(join(path, name))
    try {
      fs.rmdirSync(path)
    } catch {
      // It was taken again, or is held for another process.
    }
  },
  extend: (pid, command) => {
    const other = newName(pid)
    write(`${path}.${other}`, pid, command, placeOf(path))
    fs.renameSync(`${path}.${other}`, join(path, other))
    return () => unlink(join(path, other))
  }
})

/**
 * Who holds the lock. What is left of the dead is removed on the way.
 *
 * @param {string} path
 * @returns {Holder | undefined}
 */
const holderOf = (path) => {
  for (const file of filesOf(path)) {
    const found = read(file)
    if (found === undefined) continue
    const { command, place, process: written } = parse(found.text)
    const pid = find(written)
    if (pid !== undefined && (place === undefined || place === placeOf(path))) {
      return { pid, command, since: found.since }
    }
    unlink(file)
  }
  return undefined
}

/**
 * @param {string} path
 * @returns {ReadonlyArray<string>}
 */
const filesOf = (path) => {
  try {
    return fs.readdirSync(path).map((name) => join(path, name))
  } catch (error) {
    if (codeOf(error) === "ENOENT") return []
    // Earlier releases wrote a file in the folder's place, which may hold the process it belongs to.
    if (codeOf(error) === "ENOTDIR") return [path]
    throw error
  }
}

/**
 * A folder keeps this number when it is moved, and no copy has it.
 *
 * @param {string} path
 */
const placeOf = (path) => fs.statSync(dirname(path)).ino

/**
 * @param {string} file
 * @param {number} pid
 * @param {string} command
 * @param {number} place
 */
const write = (file, pid, command, place) =>
  fs.writeFileSync(file, JSON.stringify({ process: identity(pid) ?? "", command, place }))

/**
 * What can't be read, because a power cut took it or because it is no lock's, belongs to nobody.
 *
 * @param {string} text
 * @returns {{ readonly process: string, readonly command: string, readonly place?: unknown }}
 */
const parse = (text) => {
  try {
    const { command, place, process } = JSON.parse(text)
    return { process: String(process), command: String(command), place }
  } catch {
    return { process: text, command: "an earlier release" }
  }
}

/** @param {string} file */
const read = (file) => {
  try {
    return { text: fs.readFileSync(file, "utf8"), since: fs.statSync(file).mtime }
  } catch (error) {
    if (["ENOENT", "EISDIR"].includes(codeOf(error))) return undefined
    throw error
  }
}

/** @param {string} file */
const unlink = (file) => {
  try {
    fs.unlinkSync(file)
  } catch (error) {
    // It is gone, or by now a folder, and so another one's lock.
    if (!["ENOENT", "EISDIR", "EPERM"].includes(codeOf(error))) throw error
  }
}

/**
 * @param {unknown} error
 * @returns {string}
 */
const codeOf = (error) => String(Object(error).code)

/** @param {number} pid */
const newName = (pid) => `${pid}-${randomUUID()}`

/** @param {ReadonlyArray<string>} args */
const commandOf = (args) => args.join(" ").slice(0, 200)
