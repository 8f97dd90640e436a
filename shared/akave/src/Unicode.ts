/** Whether a text has no half of a surrogate pair, and so can be written as UTF-8: `String.isWellFormed`, which Node 18 doesn't have. */
export const isWellFormed = (text: string): boolean => !/\p{Surrogate}/u.test(text)
