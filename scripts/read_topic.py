"""Prints keys and values of a topic of bars, and checks that a key is what its bar is about: read_topic.py HOST:PORT TOPIC"""

import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

broker, topic = sys.argv[1:]
consumer = Consumer({"bootstrap.servers": broker, "group.id": "read-topic", "enable.partition.eof": True})
partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
ended = set()
while ended != set(partitions):
    message = consumer.poll(60)
    if message is None:
        sys.exit(f"nothing came from {topic} for a minute")
    if message.error():
        if message.error().code() != KafkaError._PARTITION_EOF:
            sys.exit(str(message.error()))
        ended.add(message.partition())
        continue
    key, value = message.key().decode(), (message.value() or b"").decode()
    if value and not value.startswith(key + ","):
        sys.exit(f"the key {key} is not that of {value}")
    print(key, value, sep="\t")
