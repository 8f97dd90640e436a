/** Numbers as people read them. */
import { Duration } from "effect"

/** A time in milliseconds, such as "12s" or "1s 250ms": from 10 s on in whole seconds. */
export const spoken = (millis: number): string =>
  millis === 0
    ? "0ms"
    : Duration.format(Duration.millis(millis < 10_000 ? Math.round(millis) : Math.round(millis / 1_000) * 1_000))

/** Wei in gwei, exactly, such as "1.5 gwei". */
export const gwei = (wei: bigint): string => {
  const digits = `${wei}`.padStart(10, "0")
  const fraction = digits.slice(-9).replace(/0+$/, "")
  return `${digits.slice(0, -9)}${fraction === "" ? "" : `.${fraction}`} gwei`
}
