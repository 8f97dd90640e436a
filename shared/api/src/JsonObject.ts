/** JSON of a shape that is not known. */
import { Schema } from "effect"

const Shape = Schema.Record(Schema.String, Schema.Unknown)
export type Json = typeof Shape.Type
export const isObject = Schema.is(Shape)

/** The object at a path; an empty one where there is none. */
export const objectAt = (value: unknown, ...path: ReadonlyArray<string>): Json =>
  path.reduce<Json>((object, key) => {
    const next = object[key]
    return isObject(next) ? next : {}
  }, isObject(value) ? value : {})

/** A value of a schema as JSON. */
export const encode = <S extends Schema.ConstraintEncoder<unknown>>(schema: S, value: S["Type"]): unknown =>
  Schema.encodeSync(Schema.toCodecJson(schema))(value)
