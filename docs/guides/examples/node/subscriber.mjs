// A subscriber in Node, without our library: it keeps order, drops repetitions, notices what is missing and asks for it.
import amqp from "amqplib";

const SOURCE = "billing";
const QUEUE = "ledger.events";

const connection = await amqp.connect(process.env.REPORTS_AMQP_URL ?? "amqp://guest:guest@127.0.0.1:5672/");
const channel = await connection.createChannel();
await channel.prefetch(50);
await channel.assertExchange("events", "topic", { durable: true });
await channel.assertQueue(QUEUE, {
  durable: true,
  arguments: { "x-queue-type": "quorum", "x-single-active-consumer": true },
});
await channel.bindQueue(QUEUE, "events", `${SOURCE}.#`); // all of the source: only then a gap shows
await channel.bindQueue(QUEUE, "events", `probe.${SOURCE}`); // says where it stands: so a lost last event shows, too
await channel.assertExchange("events.to", "topic", { durable: true });
await channel.bindQueue(QUEUE, "events.to", `*.${QUEUE}`); // what is sent to this queue alone: the answers to askFrom

const done = new Map(); // subject -> its last sequence. Yours belongs into your database, written with the work itself

function hear(event) {
  const last = done.get(event.subject) ?? 0;
  if (event.sequence <= last) return; // a repetition
  if (event.sequence > last + 1) return askFrom(event.subject, last); // a gap: this one comes again, after those before it
  if (event.type.startsWith("billing.subscription.")) {
    console.log(event.type, event.subject, event.sequence, event.id); // your work
  }
  done.set(event.subject, event.sequence);
}

function askFrom(subject, last) {
  const request = { tenantry: "replay", source: SOURCE, queue: QUEUE, after: { [subject]: last } };
  channel.publish("events.to", `ledger.${SOURCE}.events`, Buffer.from(JSON.stringify(request)));
}

await channel.consume(QUEUE, (message) => {
  const said = JSON.parse(message.content.toString());
  if (said.specversion) hear(said);
  for (const [subject, head] of Object.entries(said.heads ?? {})) {
    const last = done.get(subject) ?? 0;
    if (head > last) askFrom(subject, last);
  }
  channel.ack(message); // after the work is committed
});

process.once("SIGTERM", () => connection.close());
