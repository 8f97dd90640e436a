/** Arguments and flags that several commands on files take. */
import { Argument, Flag } from "effect/cli"

export const bucket = Argument.String("bucket").pipe(Argument.withDescription("The bucket's name"))
export const fileName = Argument.String("name").pipe(
  Argument.withDescription("The file's name in the bucket, such as photos/cat.jpg")
)
export const overwrite = Flag.Boolean("overwrite").pipe(
  Flag.withDescription("Replace what is there"),
  Flag.withDefault(false)
)
export const recursive = Flag.Boolean("recursive").pipe(Flag.withAlias("r"), Flag.withDefault(false))
