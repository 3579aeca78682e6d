"""Prints all messages of a topic, and checks that each has its symbol as the key: read_topic.py HOST:PORT TOPIC"""

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
    key, value = message.key().decode(), message.value().decode()
    if value.split(",")[0] != key:
        sys.exit(f"the key {key} is not the symbol of {value}")
    print(value)
