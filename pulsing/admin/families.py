"""The metric families of `/metrics`: one table of names, kinds, labels and meanings, for collector, docs and checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

PREFIX = "pulsing_"
DETAILED_PREFIX = "pulsing_detailed_"

MetricKind = Literal["counter", "gauge", "histogram"]


class Family(NamedTuple):
    """One metric family, its name without the prefix."""

    kind: MetricKind
    labels: tuple[str, ...]
    help: str


FAMILIES: Mapping[str, Family] = {
    "build_info": Family("gauge", ("version", "python", "loop"), "Versions of this node; always 1"),
    "node_info": Family("gauge", ("node_id", "node", "cluster", "addr"), "Who this node is; always 1"),
    "node_start_time_seconds": Family("gauge", (), "When the system was made, seconds since 1970"),
    "tasks": Family("gauge", (), "Background tasks that Pulsing has started and that still run"),
    "event_loop_lag_seconds": Family("histogram", (), "How late a timer comes that is due ten times a second"),
    "long_turns_total": Family("counter", ("class", "method"), "Turns that held the loop for more than 100 ms"),
    "actors": Family("gauge", ("class", "state"), "Live actors"),
    "actors_spawned_total": Family("counter", ("class",), "Actors spawned"),
    "actors_stopped_total": Family("counter", ("class", "reason"), "Actors that ended"),
    "messages_total": Family("counter", ("kind",), "Messages that mailboxes of this node accepted"),
    "actor_messages_total": Family("counter", ("class", "method", "outcome"), "Messages that were handled"),
    "actor_restarts_total": Family("counter", ("class", "cause"), "Restarts of actors"),
    "actor_errors_total": Family("counter", ("class", "method", "category"), "Messages whose handling failed"),
    "actor_handle_seconds": Family("histogram", ("class", "method"), "Time from the start of a turn to its end"),
    "actor_mailbox_wait_seconds": Family("histogram", ("class",), "Time from acceptance to the start of the turn"),
    "actor_mailbox_messages": Family("gauge", ("class",), "Messages that wait, all actors of the class together"),
    "actor_mailbox_max_messages": Family("gauge", ("class",), "Messages that wait in the fullest mailbox"),
    "actor_mailbox_oldest_seconds": Family("gauge", ("class",), "Age of the message that waits longest"),
    "actor_mailbox_dropped_total": Family(
        "counter", ("class", "policy"), "Messages that a full mailbox refused or lost"
    ),
    "ask_seconds": Family(
        "histogram", ("route", "outcome"), "Time that callers of this node waited, and what came of it"
    ),
    "asks_inflight": Family("gauge", (), "Asks of this node that wait for their answer"),
    "streams_open": Family("gauge", ("class",), "Streams that actors produce at the moment"),
    "stream_first_item_seconds": Family(
        "histogram", ("class",), "Time from the acceptance of a call to the first item of its stream"
    ),
    "stream_items_total": Family("counter", ("class", "method"), "Items that streams produced"),
    "dead_letters_total": Family("counter", ("reason",), "Messages that reached nobody"),
    "queues": Family("gauge", ("backend",), "Queues with a bucket on this node"),
    "queue_buckets": Family("gauge", ("queue",), "Buckets of the queue that this node has"),
    "queue_records": Family("gauge", ("queue",), "Records kept in this node's buckets"),
    "queue_bytes": Family("gauge", ("queue",), "Bytes kept in this node's buckets"),
    "queue_unflushed_records": Family("gauge", ("queue",), "Records handed to a store, not kept there yet"),
    "queue_unavailable_buckets": Family("gauge", ("queue",), "Buckets of this node that cannot be used at the moment"),
    "queue_oldest_record_seconds": Family("gauge", ("queue",), "Age of the oldest record"),
    "queue_readers": Family("gauge", ("queue",), "Readers that this node's buckets remember"),
    "queue_reader_lag_records": Family("gauge", ("queue",), "Records that the slowest reader has not read"),
    "queue_put_records_total": Family("counter", ("queue",), "Records put"),
    "queue_read_records_total": Family("counter", ("queue",), "Records read"),
    "queue_trimmed_records_total": Family("counter", ("queue",), "Records removed by trimming and purging"),
    "queue_operation_seconds": Family(
        "histogram", ("op", "backend"), "Time that buckets of this node took; a get that waits for records is left out"
    ),
    "queue_failures_total": Family("counter", ("queue", "op"), "Operations of buckets that failed"),
    "queue_redirects_total": Family("counter", (), "Times that this node sent somebody on to the owner of a bucket"),
    "topics": Family("gauge", (), "Topics whose broker is on this node"),
    "topic_subscribers": Family("gauge", ("topic",), "Subscribers"),
    "topic_slow_subscribers": Family("gauge", ("topic",), "Subscribers that lag behind or fail"),
    "topic_published_messages_total": Family("counter", ("topic", "mode"), "Messages published"),
    "topic_deliveries_total": Family("counter", ("topic", "outcome"), "Deliveries to subscribers"),
    "topic_evictions_total": Family("counter", ("topic",), "Subscribers that were removed because they failed"),
    "topic_publish_seconds": Family("histogram", ("mode",), "Time that brokers of this node took for a publication"),
    "cluster_members": Family("gauge", ("status",), "Members as this node sees them"),
    "cluster_member_transitions_total": Family("counter", ("from", "to"), "Changes of status that this node saw"),
    "cluster_messages_total": Family("counter", ("type", "direction"), "Messages of membership"),
    "cluster_probe_rtt_seconds": Family("histogram", (), "Round trips of probes that were answered directly"),
    "cluster_refutations_total": Family("counter", (), "Times that this node contradicted what was said of it"),
    "names": Family("gauge", (), "Public names that this node knows"),
    "name_resolves_total": Family("counter", ("outcome",), "Look-ups of names: found here, found elsewhere, not found"),
    "links": Family("gauge", ("direction", "state"), "Links to other nodes"),
    "link_connects_total": Family("counter", ("outcome",), "Links that came about (ok), and attempts that failed"),
    "link_closed_total": Family("counter", ("reason",), "Links that ended"),
    "link_errors_total": Family("counter", ("error",), "What went wrong on links and at the door to them"),
    "pickle_payloads_total": Family("counter", ("direction",), "Values that links carried by pickle"),
    "link_frames_total": Family("counter", ("direction",), "Frames over links"),
    "link_bytes_total": Family("counter", ("direction",), "Bytes over links"),
    "link_pending_frames": Family("gauge", (), "Frames that wait on the fullest link"),
    "link_pending_bytes": Family("gauge", (), "Bytes that wait on the fullest link"),
    "link_backpressure_seconds_total": Family("counter", (), "Time that senders waited for a link's window"),
    "llm_requests_total": Family("counter", ("model", "outcome"), "Requests to language models by this process"),
    "llm_tokens_total": Family("counter", ("model", "kind"), "Tokens sent to and received from language models"),
    "check_failing": Family("gauge", ("check",), "Whether a check of this node warns or worse"),
    "admin_requests_total": Family("counter", ("route", "code"), "Requests to the admin plane"),
    "admin_request_seconds": Family("histogram", ("route",), "Time to answer a request to the admin plane"),
    "admin_actions_total": Family("counter", ("action", "outcome"), "Actions asked of the admin plane"),
    "admin_auth_failures_total": Family("counter", ("reason",), "Requests that the admin plane refused at its door"),
    "admin_stream_clients": Family("gauge", (), "Open live streams"),
    "admin_stream_gaps_total": Family("counter", (), "Times that a live stream had to start from a snapshot again"),
    "metrics_render_seconds": Family("gauge", ("endpoint",), "Time that the last rendering of metrics took"),
    "metrics_capped_total": Family("counter", ("label",), "Label values that were counted under _other"),
}


class DetailedFamily(NamedTuple):
    """Series a single object: the labels and, by suffix, kind, field of the row and meaning."""

    labels: tuple[str, ...]
    series: Mapping[str, tuple[MetricKind, str, str]]


DETAILED: Mapping[str, DetailedFamily] = {
    "actor_mailbox": DetailedFamily(
        ("actor", "class"),
        {
            "messages": ("gauge", "mailbox", "Messages that wait"),
            "oldest_seconds": ("gauge", "mailbox_oldest_s", "Age of the message that waits longest"),
            "dropped_total": ("counter", "dropped_total", "Messages that the full mailbox refused or lost"),
        },
    ),
    "actor_messages": DetailedFamily(
        ("actor", "class"),
        {
            "total": ("counter", "messages_total", "Messages handled"),
            "errors_total": ("counter", "errors_total", "Messages whose handling failed"),
            "restarts_total": ("counter", "restarts", "Restarts"),
        },
    ),
    "actor_latency": DetailedFamily(
        ("actor", "class"),
        {
            "handle_seconds_total": ("counter", "handle_total_s", "Time spent handling"),
            "wait_seconds_total": ("counter", "wait_total_s", "Time that messages waited for their turn"),
            "handle_max_seconds": ("gauge", "handle_max_s", "Longest handling"),
        },
    ),
    "queue_bucket": DetailedFamily(
        ("queue", "bucket"),
        {
            "records": ("gauge", "records", "Records kept"),
            "bytes": ("gauge", "bytes", "Bytes kept"),
            "next_offset": ("gauge", "next", "Offset of the next record"),
            "earliest_offset": ("gauge", "earliest", "Offset of the oldest record"),
        },
    ),
    "queue_reader": DetailedFamily(
        ("queue", "reader"),
        {
            "lag_records": ("gauge", "lag", "Records not read yet"),
            "oldest_unread_seconds": ("gauge", "oldest_unread_s", "Age of the oldest unread record"),
        },
    ),
    "topic_subscriber": DetailedFamily(
        ("topic", "subscriber"),
        {
            "pending_messages": ("gauge", "pending", "Messages on their way"),
            "delivered_total": ("counter", "delivered_total", "Messages delivered"),
            "failed_total": ("counter", "failed_total", "Deliveries that failed"),
        },
    ),
    "link": DetailedFamily(
        ("peer", "direction"),
        {
            "bytes_total": ("counter", "bytes_total", "Bytes received (in) and sent (out)"),
            "pending_bytes": ("gauge", "pending_bytes", "Bytes that wait to be sent (out)"),
            "rtt_seconds": ("gauge", "rtt_s", "Round trip time (out)"),
        },
    ),
}
