import { suite } from "./Seeds.ts"

suite(0, 2)
