"""Without our library: any AMQP 0-9-1 client hears the events. This one prints what happens to subscriptions."""

import asyncio
import json
import os

import aio_pika


async def main() -> None:
    connection = await aio_pika.connect(os.environ.get("REPORTS_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/"))
    async with connection, connection.channel() as channel:
        await channel.set_qos(prefetch_count=50)
        events = await channel.declare_exchange("events", "topic", durable=True)
        queue = await channel.declare_queue("printer.events", durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(events, "billing.subscription.*.v1")
        async with queue.iterator() as messages:
            async for message in messages:
                event = json.loads(message.body)
                print(event["type"], event["subject"], event["sequence"], event["id"], flush=True)
                await message.ack()  # after the work; message.process() would lose it when the program is stopped


if __name__ == "__main__":
    asyncio.run(main())
