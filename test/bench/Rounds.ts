/** Measurements side by side: rounds of each candidate in turn, so that what else the machine does hits all alike. */

/** The middle, and what three quarters lie between. */
export interface Summary {
  readonly median: number
  readonly low: number
  readonly high: number
}

export const summary = (values: ReadonlyArray<number>): Summary => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
  return { median: at(0.5), low: at(0.125), high: at(0.875) }
}

/** Runs every candidate once to warm it up, and then in turn so many rounds; gives what each has measured, in order. */
export const alternate = async <Name extends string, A>(
  candidates: Readonly<Record<Name, () => Promise<A>>>,
  rounds: number
): Promise<Readonly<Record<Name, ReadonlyArray<A>>>> => {
  const names = Object.keys(candidates) as Array<Name>
  const measured = Object.fromEntries(names.map((name) => [name, [] as Array<A>])) as Record<Name, Array<A>>
  for (const name of names) await candidates[name]()
  for (let round = 0; round < rounds; round++) {
    for (const name of names) measured[name].push(await candidates[name]())
  }
  return measured
}
