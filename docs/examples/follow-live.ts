/** Follows what happens to all jobs, and comes back without a gap: it keeps the place up to which it has seen all. */
import { createClient } from "@akave-async/client"
import { existsSync, readFileSync, writeFileSync } from "node:fs"

const akave = createClient()
const place = process.argv[2] ?? "place.txt"
const after = existsSync(place) ? readFileSync(place, "utf8") : "0"

for await (const event of akave.events.follow({ after })) {
  console.log(event.sequence, event.type, event.subject)
  // After the work on the event: if this program dies in between, the event comes again.
  writeFileSync(place, event.sequence)
}
