import { allowsPrivateConfig } from "@akave-async/eventing/WebhookEvents"
import { Config, Duration, Schema } from "effect"

const count = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

export const NotifierConfig = Config.all({
  allowsPrivate: allowsPrivateConfig,
  /** Attempts for one webhook that this process makes at the same time. */
  concurrency: Config.schema(count(1, 1_000), "NOTIFIER_CONCURRENCY").pipe(Config.withDefault(10)),
  /** Time after which the log gives a silent notifier's events to another one. */
  ackWait: Config.Duration("NOTIFIER_ACK_WAIT").pipe(Config.withDefault(Duration.seconds(30))),
  /** An attempt that takes longer has failed. */
  timeout: Config.Duration("WEBHOOK_TIMEOUT").pipe(Config.withDefault(Duration.seconds(10))),
  policy: Config.all({
    firstPause: Config.Duration("WEBHOOK_RETRY_FIRST").pipe(Config.withDefault(Duration.seconds(5))),
    longestPause: Config.Duration("WEBHOOK_RETRY_LONGEST").pipe(Config.withDefault(Duration.hours(4))),
    within: Config.Duration("WEBHOOK_RETRY_WITHIN").pipe(Config.withDefault(Duration.hours(24)))
  }),
  /** A webhook that answers nothing but failures for so long is disabled. */
  disableAfter: Config.Duration("WEBHOOK_DISABLE_AFTER").pipe(Config.withDefault(Duration.days(5)))
})

/** Events of one webhook that wait for their next attempt or are under way at most, over all notifiers; further ones wait in the log. */
export const maxUnsettled = 1_000
