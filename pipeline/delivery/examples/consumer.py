#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A consumer that sees each event once: consumer.py BROKERS TOPIC prints what is in a topic, and ends at its end.

A repeat has the same id, and of two workers that tell of the same stretch of a stream the one with the higher generation
is right. Needs confluent-kafka.
"""

import collections
import json
import sys

import confluent_kafka

# How many ids are remembered: repeats come within what was under way when a worker ended, some thousands.
REMEMBERED = 100_000


class Judge:
    """Tells what is to be believed."""

    def __init__(self):
        self.seen = collections.OrderedDict()
        # When each generation of a stream began to tell of it, in nanoseconds of its wall clock.
        self.begins = collections.defaultdict(dict)

    def takes(self, event_id, stream, generation, wall_ns):
        """Whether an event is new and nobody knows better."""
        if event_id in self.seen:
            return False
        self.seen[event_id] = None
        if len(self.seen) > REMEMBERED:
            self.seen.popitem(last=False)
        begins = self.begins[stream]
        begins[generation] = min(wall_ns, begins.get(generation, wall_ns))
        # What a worker found before another took over is right, even when it comes late.
        return not any(other > generation and begin <= wall_ns for other, begin in begins.items())


def main(brokers, topic):
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": brokers,
            # A service would have a group of its own, subscribe, and commit what it has worked off.
            "group.id": "consumer-example",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign(
        [confluent_kafka.TopicPartition(topic, number, confluent_kafka.OFFSET_BEGINNING) for number in partitions]
    )
    judge = Judge()
    left = len(partitions)
    while left:
        message = consumer.poll(10)
        if message is None:
            sys.exit("Kafka doesn't answer")
        if message.error():
            if message.error().code() != confluent_kafka.KafkaError._PARTITION_EOF:
                sys.exit(str(message.error()))
            left -= 1
            continue
        headers = {name: value.decode() for name, value in message.headers() or []}
        data = json.loads(message.value())
        wall_ns = data.get("clock", {}).get("wall_ns", 0)
        generation = int(headers.get("generation", "0"))
        if judge.takes(headers.get("ce_id", ""), message.key().decode(), generation, wall_ns):
            print(headers["ce_id"])
    consumer.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
