/** Reads the whole event log from any place on, with nothing but a NATS client, and goes on with what comes. */
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream"
import { connect } from "@nats-io/transport-node"

const connection = await connect({ servers: process.env["NATS_URL"] ?? "nats://127.0.0.1:4222" })
const manager = await jetstreamManager(connection)
// A consumer of its own, which the server forgets by itself: nobody else's position moves.
const { name } = await manager.consumers.add("AKAVE_EVENTS", {
  filter_subject: "akave.events.bucket.>",
  deliver_policy: DeliverPolicy.StartSequence,
  opt_start_seq: Number(process.argv[2] ?? 1),
  ack_policy: AckPolicy.None,
  mem_storage: true,
  inactive_threshold: 60_000_000_000
})
const consumer = await jetstream(connection).consumers.get("AKAVE_EVENTS", name)
for await (const message of await consumer.consume()) {
  console.log(message.seq, message.headers?.get("ce-type"), message.subject, message.json())
}
