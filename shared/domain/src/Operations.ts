/** All operations of this release, whatever they are on. */
import * as Bucket from "./Bucket.ts"
import * as Download from "./Download.ts"
import * as File from "./File.ts"
import type * as Job from "./Job.ts"

export const operations = { ...Bucket.operations, ...File.operations, ...Download.operations } as const

export type Name = keyof typeof operations

/** A job of any of them. */
export type AnyJob = Job.JobOf<typeof operations>
