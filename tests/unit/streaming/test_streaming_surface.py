"""The names that the package offers."""

from __future__ import annotations

import inspect

import pulsing.streaming as streaming
from pulsing.streaming import broker, manager, pubsub


def test_the_public_names_are_these() -> None:
    assert sorted(streaming.__all__) == streaming.__all__
    assert set(streaming.__all__) == {
        "QueueAPI", "TopicAPI", "Queue", "QueueReader", "write_queue", "read_queue", "SyncQueue", "SyncQueueReader",
        "StorageManager", "BucketStorage", "get_storage_manager", "get_bucket_ref", "get_topic_broker",
        "StorageBackend", "MemoryBackend", "register_backend", "get_backend_class", "list_backends", "write_topic",
        "read_topic", "subscribe_to_topic", "TopicWriter", "TopicReader", "PublishMode", "PublishResult",
        "SqliteBackend", "RedisBackend", "GroupReader", "Delivery",
    }  # fmt: skip
    assert all(hasattr(streaming, name) for name in streaming.__all__)


def test_constants_have_their_values() -> None:
    assert manager.STORAGE_MANAGER_NAME == "queue_storage_manager"
    assert pubsub.DEFAULT_PUBLISH_TIMEOUT == 30.0
    assert broker.DEFAULT_FANOUT_TIMEOUT == 30.0
    assert broker.BEST_EFFORT_TIMEOUT == 5.0
    assert broker.MAX_CONSECUTIVE_FAILURES == 3
    assert broker.REF_TTL_SECONDS == 60.0


def test_opening_takes_these_arguments() -> None:
    assert [*inspect.signature(streaming.write_queue).parameters] == [
        "system", "topic", "bucket_column", "num_buckets", "batch_size", "storage_path", "backend", "backend_options",
    ]  # fmt: skip
    assert [*inspect.signature(streaming.read_queue).parameters][:10] == [
        "system", "topic", "bucket_id", "bucket_ids", "rank", "world_size", "num_buckets", "storage_path", "backend",
        "backend_options",
    ]  # fmt: skip
    keywords = [p for p in inspect.signature(streaming.read_queue).parameters.values()][10:]
    assert {p.name: p.default for p in keywords} == {
        "group": None, "consumer_id": None, "ack_wait": 30.0, "max_deliver": 20, "start": "earliest",
    }  # fmt: skip
    assert {p.kind for p in keywords} == {inspect.Parameter.KEYWORD_ONLY}
    for method in (streaming.QueueAPI.write, streaming.QueueAPI.read):
        kinds = [p.kind for p in inspect.signature(method).parameters.values()]
        assert kinds[2:] == [inspect.Parameter.KEYWORD_ONLY] * (len(kinds) - 2)
