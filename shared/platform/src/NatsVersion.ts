/** Versions of nats-server, and which of them can be relied on. */

/** Major, minor, patch. */
export type Version = readonly [number, number, number]

/** Debian 12 brings it; everything this product needs works from there on. */
export const oldest: Version = [2, 9, 10]
/** After a crash these may come up without a JetStream stream that they had acknowledged. */
export const refusedFrom: Version = [2, 10, 20]
export const refusedTo: Version = [2, 10, 22]
/** Earlier ones bring what they have acknowledged to the disk every two minutes, however they are set. */
export const settableSync: Version = [2, 10, 0]

/** Reads a version, as `nats-server --version` prints it and as a server reports it. */
export const parseVersion = (output: string): Version | undefined => {
  const match = /v?(\d+)\.(\d+)\.(\d+)/.exec(output)
  return match ? [Number(match[1]), Number(match[2]), Number(match[3])] : undefined
}

export const compare = (a: Version, b: Version): number => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]

/** Why a version can't be relied on, as a clause, or undefined where it can. */
export const defect = (version: Version): string | undefined => {
  if (compare(version, oldest) < 0) {
    return `nats-server ${version.join(".")} is older than ${oldest.join(".")}, the oldest that works here`
  }
  if (compare(version, refusedFrom) >= 0 && compare(version, refusedTo) <= 0) {
    return `nats-server ${version.join(".")} has known JetStream defects that lose streams after a crash`
      + " (2.10.20 to 2.10.22, repaired in 2.10.23)"
  }
  return undefined
}
