import * as EventLogMemory from "../src/EventLogMemory.ts"
import { reactionSuite } from "./ReactionSuite.ts"

reactionSuite("a reaction on EventLogMemory", EventLogMemory.open)
