/** The failpoints of a notifier, in the order in which a delivery comes by them. */
export const names = ["answered", "recorded"] as const
