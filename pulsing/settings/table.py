"""Every setting, once.

Only what takes effect is here: a setting that is accepted and does nothing would be worse than an error.
"""

from __future__ import annotations

from collections.abc import Mapping

from pulsing.settings.kinds import AMOUNTS, COUNT, FLAG, NUMBER, PORTS, TABLES, TEXT, WORDS, choice, within
from pulsing.settings.option import Option
from pulsing.settings.thresholds import THRESHOLDS

_NODE = (
    Option("addr", TEXT, None, "Where the node listens, host:port; port 0 for any free one.", "none", node_only=True),
    Option("seeds", WORDS, (), "Nodes to join through, host:port or dns://name:port.", node_only=True),
    Option("head_addr", TEXT, None, "The head node to join.", "none", node_only=True),
    Option("is_head_node", FLAG, False, "Whether this node is the head.", node_only=True),
    Option("advertise", TEXT, None, "The address that others dial where it differs.", "that of addr", node_only=True),
    Option("cluster", TEXT, "pulsing", "Name of the cluster; nodes of another are refused.", node_only=True),
    Option(
        "join_timeout", NUMBER, None, "Seconds within which a seed must have answered.", "go on alone", node_only=True
    ),
    Option("ports", PORTS, None, "Ports among which links and membership take a free one.", "any free one"),
    Option("control_port", within(COUNT, 0, 65_535), 0, "Port on which membership listens; 0 for any free one."),
    Option(
        "detector.profile",
        choice("lan", "fast"),
        "lan",
        "How patient failure detection is; with fast, a node is dead after 3 s of silence.",
    ),
    Option("queue.base_path", TEXT, "./queue_storage", "Folder under which queues keep their files."),
    Option("node.name", TEXT, None, "What people call the node.", "the host's name"),
    Option(
        "node.mailbox",
        within(COUNT, 1),
        1_000,
        "Messages that may wait for an actor, unless its class or spawn says otherwise.",
    ),
    Option(
        "node.mailbox_bytes", within(COUNT, 1), 64 << 20, "Bytes that messages of other nodes may take in one mailbox."
    ),
    Option("node.user_bytes", within(COUNT, 1), 512 << 20, "Bytes that messages of other nodes may take here."),
    Option(
        "link.busy_poll_us",
        within(COUNT, 0, 100_000),
        500,
        "Microseconds to stay awake after a message of another node, where that pays; 0 for none.",
    ),
    Option("node.public_names", within(COUNT, 1), 10_000, "Public names that the node may have."),
    Option(
        "node.ask_timeout",
        within(NUMBER, 0.001),
        30.0,
        "Seconds that an ask waits for its answer, unless it says otherwise.",
    ),
    Option("link.max_message_bytes", within(COUNT, 1), 16 << 20, "Bytes of one value on links; the same on all nodes."),
    Option("link.window_frames", within(COUNT, 1), 1_024, "Messages under way to one other node; 256 to 1024."),
    Option(
        "link.window_bytes",
        within(COUNT, 1),
        8 << 20,
        "Bytes of messages under way to one other node, about; 1 to 8 MiB.",
    ),
    Option("link.pending_asks", within(COUNT, 1), 10_000, "Asks that wait for one other node, at most 10,000."),
    Option("link.stream_items", within(COUNT, 1), 32, "Items of one stream under way to one other node, at most 32."),
)

_CREDENTIALS = (
    Option(
        "passphrase",
        TEXT,
        None,
        "The common secret, which also encrypts links; the same on all nodes.",
        "none",
        secret=True,
    ),
    Option("passphrase_file", TEXT, None, "A file whose first line is the passphrase.", "none"),
    Option(
        "token_file", WORDS, None, "Files of the common secret, the new one first.", "~/.config/pulsing/cluster.token"
    ),
    Option("insecure", FLAG, None, "No credentials at all.", "false"),
    Option("allow_pickle", FLAG, False, "Agree to pickled values on links whose other end agrees too."),
    Option("tls.ca", TEXT, None, "PEM file of the authorities that are trusted.", "none"),
    Option("tls.cert", TEXT, None, "PEM file of this node's certificate.", "none"),
    Option("tls.key", TEXT, None, "PEM file of its key.", "none"),
)

_ADMIN = (
    Option(
        "admin.enabled",
        FLAG,
        None,
        "Whether the admin plane is served.",
        "when the node has an address",
        variable="PULSING_ADMIN",
    ),
    Option("admin.addr", TEXT, None, "Where it listens, taken exactly.", "127.0.0.1:8700, else the next free port"),
    Option("admin.public_url", TEXT, None, "Where browsers and Prometheus reach it.", "from its address"),
    Option("admin.root_path", TEXT, "", "Prefix under which a proxy shows it without stripping it."),
    Option("admin.allowed_hosts", WORDS, (), "Further names by which it may be called."),
    Option("admin.trusted_proxies", WORDS, (), "Addresses whose X-Forwarded headers are believed."),
    Option("admin.tls_cert", TEXT, None, "PEM file of its certificate; it then speaks HTTPS.", "none"),
    Option("admin.tls_key", TEXT, None, "PEM file of the certificate's key.", "none"),
    Option("admin.token", TEXT, None, "Its token, of at least 16 characters.", "none", secret=True),
    Option("admin.token_file", TEXT, None, "File with its token.", "~/.config/pulsing/admin.token"),
    Option(
        "admin.tokens",
        TABLES,
        (),
        "Tokens in place of the user's own, each a table of name, role (viewer, operator, admin) and sha256.",
        secret=True,
        file_only=True,
    ),
    Option("admin.session_hours", within(NUMBER, 0.01), 8.0, "Hours after which an idle login ends."),
    Option("admin.metrics_auth", choice("token", "open"), "token", "Whether /metrics wants a token."),
    Option("admin.read_only", FLAG, False, "Refuse every action."),
    Option("admin.disabled_actions", WORDS, (), "Actions to refuse by name."),
    Option("admin.spawnable", WORDS, ("*",), "Classes that may be spawned; * stands for any part of a name."),
    Option("ui.enabled", FLAG, True, "Whether the dashboard is served."),
    Option(
        "ui.theme", choice("auto", "light", "dark"), "auto", "Its colours, for browsers whose user has chosen none."
    ),
    Option("ui.title", TEXT, "Pulsing", "What the dashboard calls itself."),
    Option("ui.show_system", FLAG, False, "Whether its list of actors has Pulsing's own as well."),
    Option("ui.tick_s", within(NUMBER, 0.25, 10), 1.0, "Seconds between the updates of a page."),
)

_SUBPROCESS = (
    Option("subprocess.allow_remote", WORDS, (), "Programs that other nodes may start here: names in PATH, or paths."),
    Option(
        "subprocess.base_path",
        TEXT,
        None,
        "Directory below which such programs start.",
        "where the node was started",
    ),
    Option(
        "subprocess.variables",
        WORDS,
        ("LANG", "LC_*", "TZ", "TERM"),
        "Environment variables that other nodes may set for such programs; * stands for any part of a name.",
    ),
    Option(
        "subprocess.resources",
        AMOUNTS,
        (),
        "What else programs may need here, name=amount; num_cpus and memory instead of what the machine has.",
    ),
)

_VALUES = (
    Option(
        "payloads.mode",
        choice("off", "types", "preview", "full"),
        "full",
        "How much of arguments, results and records operators see.",
    ),
    Option("payloads.preview_bytes", within(COUNT, 0), 512, "Bytes of a preview."),
    Option(
        "payloads.redact",
        WORDS,
        ("*token*", "*password*", "*secret*", "*api_key*"),
        "Names whose values are never shown; * stands for any part of one.",
    ),
)

_FIGURES = (
    Option("metrics.enabled", FLAG, True, "Whether /metrics is served."),
    Option("metrics.detailed", FLAG, True, "Whether /metrics/detailed is served."),
    Option(
        "metrics.openmetrics", FLAG, False, "Answer in OpenMetrics where that is accepted, else in the text format."
    ),
    Option("metrics.legacy_names", FLAG, False, "Show three metrics under their earlier names as well."),
    Option("metrics.exclude", WORDS, (), "Families to leave out; * stands for any part of a name."),
    Option("metrics.include_default_registry", FLAG, True, "Append what the program itself has registered."),
    Option("metrics.max_pairs", within(COUNT, 1), 100, "Methods with series of their own; the rest is _other."),
    Option("metrics.max_classes", within(COUNT, 1), 50, "Classes with series of their own."),
    Option("metrics.max_queues", within(COUNT, 1), 50, "Queues with series of their own."),
    Option("metrics.max_topics", within(COUNT, 1), 50, "Topics with series of their own."),
    Option("metrics.ray_mirror", FLAG, True, "Whether a node inside Ray shows some of its figures among Ray's too."),
    Option("history.enabled", FLAG, True, "Whether the last day of the node is remembered, for its charts."),
    Option("events.capacity", within(COUNT, 1), 5_000, "Events that are remembered."),
    Option("dead_letters.capacity", within(COUNT, 1), 1_000, "Dead letters that are remembered."),
    Option(
        "dead_letters.keep_bytes",
        within(COUNT, 0),
        8 << 20,
        "Bytes of their messages that are kept, so that they can be sent again.",
    ),
    Option("actors.ended", within(COUNT, 1), 1_000, "Actors that have ended and can still be listed."),
    Option("links.closed", within(COUNT, 1), 256, "Closed links that can still be listed."),
    Option("audit.capacity", within(COUNT, 1), 1_000, "Actions that are remembered."),
    Option("tracing.mode", choice("auto", "off"), "auto", "auto: spans where OpenTelemetry is set up."),
    Option("tracing.ratio", within(NUMBER, 0, 1), 0.01, "Share of the traces that begin here that is kept."),
    Option(
        "logs.level",
        choice("debug", "info", "warning", "error"),
        "info",
        "The least that the log of `pulsing serve` and `pulsing actor` shows.",
    ),
    Option("logs.format", choice("text", "json"), "text", "Whether that log has lines for people or for machines."),
)

_CHECKS = tuple(
    option
    for check, threshold in THRESHOLDS.items()
    for option in (
        Option(f"checks.{check}.warn", NUMBER, threshold.warn, "From this value on it warns.", "never"),
        Option(f"checks.{check}.critical", NUMBER, threshold.critical, "From this value on it is critical.", "never"),
        Option(f"checks.{check}.enabled", FLAG, True, "Whether the check is made."),
    )
)

_LIMITS = (
    Option("limits.body_bytes", within(COUNT, 1), 1 << 20, "Bytes of a request."),
    Option("limits.reply_bytes", within(COUNT, 1), 8 << 20, "Bytes of a reply."),
    Option("limits.in_flight", within(COUNT, 1), 64, "Requests at once."),
    Option("limits.streams", within(COUNT, 0), 32, "Live streams at once."),
    Option("limits.fanout_s", within(NUMBER, 0.01), 2.0, "Seconds that another node has to answer."),
    Option("limits.actions_per_s", within(NUMBER, 0.01), 20.0, "Actions a second of one principal."),
)

SECTIONS: Mapping[str, tuple[Option, ...]] = {
    "Node and cluster": _NODE,
    "Credentials of links": _CREDENTIALS,
    "Admin plane and dashboard": _ADMIN,
    "Programs for other nodes": _SUBPROCESS,
    "What is shown of values": _VALUES,
    "Metrics, logs and traces": _FIGURES,
    "Limits of the admin plane": _LIMITS,
    "Checks": _CHECKS,
}
"""The options in the order in which they are explained."""

OPTIONS = tuple(option for section in SECTIONS.values() for option in section)

BY_KEY = {option.key: option for option in OPTIONS}

OTHER_VARIABLES: Mapping[str, str] = {
    "PULSING_CONFIG": "the file to read instead of those that are looked for",
    "PULSING_ENDPOINT": "the node that commands talk to",
    "PULSING_LLM_BACKEND": "the backend of language models, openai by default",
}
"""Variables that are ours and no settings of a node."""
