/** What a query of Prometheus asks for, as far as tests hold it against metrics that exist. */

export interface Matcher {
  readonly label: string
  readonly operator: "=" | "!=" | "=~" | "!~"
  readonly value: string
}

/** A metric, and what its labels must be. */
export interface Selector {
  readonly metric: string
  readonly matchers: ReadonlyArray<Matcher>
}

const text = /"(?:[^"\\]|\\.)*"/.source
const matchers = new RegExp(`(\\w+)\\s*(=~|!~|!=|=)\\s*(${text})`, "g")
const selector = new RegExp(`([a-zA-Z_:][\\w:]*)\\s*(\\{(?:[^"}]|${text})*\\})?`, "g")
/** Lists of labels, as in `by (job)`. */
const lists = /\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g
const words = new Set(["and", "or", "unless", "bool", "offset"])

/** A query without durations in brackets and lists of labels. */
const bare = (query: string) =>
  query.replaceAll(lists, " ").replaceAll(/\[[^\]]*\]/g, " ").replaceAll(/offset \w+/g, " ")

/** The metrics that a query reads. */
export const selectors = (query: string): ReadonlyArray<Selector> => {
  const rest = bare(query)
  return Array.from(rest.matchAll(selector)).flatMap((found) => {
    const [all, metric = "", braces = ""] = found
    const before = rest[found.index - 1] ?? " "
    const isCall = braces === "" && /^\s*\(/.test(rest.slice(found.index + all.length))
    if (words.has(metric) || isCall || /[\w."$]/.test(before)) return []
    return [{
      metric,
      matchers: Array.from(braces.matchAll(matchers), ([, label = "", operator = "", value = ""]) => ({
        label,
        operator: operator as Matcher["operator"],
        value: JSON.parse(value) as string
      }))
    }]
  })
}

/** The labels that a query groups or joins by. */
export const groupings = (query: string): ReadonlyArray<string> =>
  Array.from(query.matchAll(lists), ([, , names = ""]) => names.split(",").map((name) => name.trim())).flat()
    .filter((name) => name !== "")

/** Whether a series with these labels is selected. A label that is not there is empty. */
export const matches = ({ matchers }: Selector, labels: Readonly<Record<string, string>>): boolean =>
  matchers.every(({ label, operator, value }) => {
    const actual = labels[label] ?? ""
    const isMatch = operator.includes("~") ? new RegExp(`^(?:${value})$`).test(actual) : actual === value
    return operator.startsWith("!") ? !isMatch : isMatch
  })
