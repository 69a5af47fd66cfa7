"""Keeps the newest segments of every user, with kafka-python (pip install kafka-python).

KAFKA_BROKERS, TOPIC, GROUP; prints a JSON line for each record that is news. IDLE_SECONDS ends it after that long
without a record; without it, it runs until it is stopped.
"""

import json
import os

from kafka import KafkaConsumer

idle = os.environ.get("IDLE_SECONDS")
consumer = KafkaConsumer(
    os.environ.get("TOPIC", "segment-changed"),
    bootstrap_servers=os.environ["KAFKA_BROKERS"].split(","),
    group_id=os.environ.get("GROUP", "recommender"),
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    consumer_timeout_ms=int(float(idle) * 1000) if idle else float("inf"),
)

# In real life this lies in a store of your own, written together with what you make of it.
newest = {}  # user -> (revision, segments)

for record in consumer:
    user = record.key.decode()
    revision = int(dict(record.headers)["segmenter.revision"])
    # A record may be repeated, and an older one may come after a newer: only a higher revision is news.
    if user in newest and revision <= newest[user][0]:
        continue
    # A tombstone: the user was erased. The revision is kept, so that an older record does not bring the user back.
    segments = None if record.value is None else json.loads(record.value)["payload"]["newSegments"]
    newest[user] = (revision, segments)
    names = None if segments is None else [one["segment"] for one in segments]
    print(json.dumps({"user": user, "revision": revision, "segments": names}), flush=True)
    consumer.commit()

consumer.close()
