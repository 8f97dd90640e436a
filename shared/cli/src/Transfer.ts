/** How far a transfer of bytes has come, for people: a bar, its rate, and the time that is left. */

const units = ["B", "kB", "MB", "GB", "TB"] as const

/** Bytes as people read them, such as "12.3 MB": by thousands. */
export const size = (bytes: number): string => {
  const power = bytes < 1_000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1_000 ** power
  return `${power === 0 ? Math.round(value) : value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${units[power]}`
}

/** Seconds as "0:07", "12:34" or "1:02:03". */
export const clock = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds))
  const [hours, minutes, rest] = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60, whole % 60]
  const tail = `${String(rest).padStart(2, "0")}`
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`
}

const width = 14

/** Characters of a name that are shown beside a bar. */
const longest = 24
/** A file's name, or its end where it is long. */
export const label = (name: string): string => name.length <= longest ? name : `…${name.slice(1 - longest)}`

/** A transfer, or a part of one, that began at a time of `performance.now()`. */
export interface Transfer {
  readonly phase: string
  readonly bytesDone: number
  readonly bytesTotal: number | undefined
  readonly since: number
}

/** What is shown of a transfer at this time. */
export const shown = ({ bytesDone, bytesTotal, phase, since }: Transfer, now: number): string => {
  const seconds = (now - since) / 1_000
  const rate = seconds < 0.2 ? 0 : bytesDone / seconds
  const speed = rate === 0 ? "" : ` ${size(rate)}/s`
  if (bytesTotal === undefined || bytesTotal === 0) return `${phase} ${size(bytesDone)}${speed}`
  const share = Math.min(1, bytesDone / bytesTotal)
  const filled = Math.round(share * width)
  // Of the first bytes nobody knows how long the rest takes.
  const left = share < 0.01 || share === 1 || rate === 0 ? "" : ` ${clock((bytesTotal - bytesDone) / rate)} left`
  const bar = `${"█".repeat(filled)}${"░".repeat(width - filled)}`
  return `${phase} ${bar} ${Math.floor(share * 100)}% of ${size(bytesTotal)}${speed}${left}`
}

/** Several files on their way. */
export interface Total {
  /** So many bytes of file number `n` are done. */
  readonly report: (n: number, bytesDone: number) => void
  /** File number `n` has ended, however that was. */
  readonly end: (n: number) => void
  /** What is shown of them now. */
  readonly shown: () => string
}

/** Several files of these sizes. */
export const total = (sizes: ReadonlyArray<number>): Total => {
  const since = performance.now()
  const bytesTotal = sizes.reduce((sum, one) => sum + one, 0)
  const done = sizes.map(() => 0)
  let ended = 0
  return {
    report: (n, bytesDone) => done[n] = bytesDone,
    end: (n) => {
      done[n] = sizes[n] ?? 0
      ended++
    },
    shown: () => {
      const bytesDone = done.reduce((sum, one) => sum + one, 0)
      const phase = `${ended} of ${sizes.length} files`
      return shown({ phase, bytesDone, bytesTotal, since }, performance.now())
    }
  }
}
