import { suite } from "./Seeds.ts"

suite(1, 2)
