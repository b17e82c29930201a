"""The commands of `pulsing`: how they are listed, and where each is made when it is called.

Making all of them at every start took longer than most of them take to run, so a row holds text alone.
"""

from __future__ import annotations

from dataclasses import dataclass

RUN = "Run"
LOOK = "Look"
ACT = "Act"


@dataclass(frozen=True)
class Row:
    """A command, or a group of them, as it is listed."""

    panel: str
    name: str
    summary: str
    """the first paragraph of its help"""
    home: str
    """`module:attribute` in this package, of a function or a `typer.Typer`"""
    examples: tuple[str, ...]
    """each can be typed as it is, after the word `pulsing`"""
    asks_node: bool = False
    """whether the function is to be given the `Client` of a node"""

    @property
    def epilog(self) -> str:
        """What stands below its help."""
        return as_lines(*self.examples)


def as_lines(*examples: str) -> str:
    """Examples as they are shown below help."""
    # An empty line is what keeps two lines apart there.
    return "\n\n".join(f"$ pulsing {example}" for example in examples)


ROWS: tuple[Row, ...] = (
    Row(
        RUN,
        "demo",
        "Start two nodes whose agents read, analyse and add up text files, and a dashboard to watch them.",
        "demo:demo",
        ("demo", "demo ~/texts --once"),
    ),
    Row(
        RUN,
        "serve",
        "Run a node until it is told to stop (Ctrl-C or SIGTERM; the second one stops it at once).",
        "serve:serve",
        (
            "serve app --addr 127.0.0.1:8800",
            "serve app --seeds 127.0.0.1:8800 --name n2",
            "serve --config prod.toml --set limits.streams=64",
        ),
    ),
    Row(
        RUN,
        "actor",
        "Run a node with one public actor, and end with it when it has failed for good.",
        "serve:actor",
        ("actor app.Worker --name w1 -- 7 label=blue",),
    ),
    Row(
        RUN,
        "examples",
        "List the examples, show one, or run it.",
        "examples:examples",
        ("examples", "examples two_actors > mine.py", "examples two_actors --run"),
    ),
    Row(RUN, "bench", "List the benchmarks of a checkout, or run one.", "examples:bench", ("bench", "bench local")),
    Row(
        RUN,
        "doctor",
        "Look for what keeps nodes from working on this machine, and say how to mend it; exit 1 when something is bad.",
        "doctor:doctor",
        ("doctor", "doctor --config prod.toml"),
    ),
    Row(
        RUN,
        "gen-passphrase",
        "Print a passphrase that nobody guesses, for PULSING_PASSPHRASE or a passphrase file of all nodes.",
        "passphrase:gen_passphrase",
        ("gen-passphrase > passphrase",),
    ),
    Row(
        RUN,
        "completion",
        "Print what a shell must read to complete commands, options and their values.",
        "completion:completion",
        ("completion bash >> ~/.bashrc",),
    ),
    Row(RUN, "version", "Print the version.", "version:version", ("version",)),
    Row(
        LOOK,
        "status",
        "Show the state of the cluster on one screen; exit 1 when a check is critical, 5 when a node is silent.",
        "look:status",
        ("status", "status -w"),
        asks_node=True,
    ),
    Row(
        LOOK,
        "list",
        "List actors, agents, queues and everything else there is.",
        "look:list_things",
        ("list actors -f state=running --sort -mailbox", "list queues -o csv --columns queue,max_lag", "list nodes -w"),
        asks_node=True,
    ),
    Row(
        LOOK,
        "get",
        "Show one thing in full.",
        "look:get_thing",
        ("get actor worker", "get queue jobs -o yaml"),
        asks_node=True,
    ),
    Row(
        LOOK,
        "summary",
        "Count actors by class, node, state, kind or role; exit 5 when a node is silent.",
        "look:summarise",
        ("summary actors --by class,node",),
        asks_node=True,
    ),
    Row(
        LOOK,
        "top",
        "Show what is busiest, with rates, until Ctrl-C.",
        "top:top",
        ("top", "top queues --interval 5", "top methods --once -o json"),
        asks_node=True,
    ),
    Row(
        LOOK,
        "check",
        "Say whether a node is well, a line a check; exit 1 when one is critical.",
        "checks:check",
        ("check", "check event_loop_lag"),
        asks_node=True,
    ),
    Row(
        LOOK,
        "events",
        "Show recent events, oldest first.",
        "happenings:events",
        ("events --since 10m", "events -f --type 'actor.*'"),
        asks_node=True,
    ),
    Row(
        LOOK,
        "dashboard",
        "Open the dashboard in the browser, logged in. The link works once.",
        "access:dashboard",
        ("dashboard", "dashboard --print"),
        asks_node=True,
    ),
    Row(
        ACT,
        "spawn",
        "Start an actor of a registered class; prints its id and name.",
        "act:spawn",
        ("spawn app.Worker size=3 --name w1", "spawn app.Worker --tag team=a --dry-run"),
        asks_node=True,
    ),
    Row(
        ACT,
        "call",
        "Call a method and print its result as JSON, the items of a stream one a line.",
        "act:call",
        ("call w1 add number=3", "call w1 count --arg 5"),
        asks_node=True,
    ),
    Row(
        ACT,
        "tell",
        "Send a message and do not wait for what becomes of it.",
        "act:tell",
        ("tell w1 add number=3",),
        asks_node=True,
    ),
    Row(
        ACT,
        "stop",
        "Stop actors after the message that each is handling.",
        "act:stop",
        ("stop w1 w2 --yes --reason 'too old'",),
        asks_node=True,
    ),
    Row(
        ACT,
        "restart",
        "Give actors fresh state; they keep id, name and waiting messages.",
        "act:restart",
        ("restart w1",),
        asks_node=True,
    ),
    Row(
        ACT,
        "tag",
        "Change an actor's tags and print those that it has then.",
        "act:tag",
        ("tag w1 team=a old-",),
        asks_node=True,
    ),
    Row(
        RUN,
        "config",
        "See where each setting comes from, and check files of settings.",
        "config:config",
        ("config show --changed", "config init"),
    ),
    Row(RUN, "token", "The token files of this user.", "access:tokens", ("token path", "token new cluster")),
    Row(
        LOOK,
        "metrics",
        "See metrics, and make the files for Prometheus and Grafana.",
        "figures:metrics",
        ("metrics dump", "metrics grafana -o grafana"),
    ),
    Row(
        LOOK,
        "inspect",
        "The views of earlier versions.",
        "inspect:inspect",
        ("inspect cluster --seeds 127.0.0.1:8700", "inspect watch --kind actors --max_rounds 3"),
    ),
    Row(
        ACT,
        "queue",
        "Look into queues, fill and empty them.",
        "queues:queues",
        ("queue put jobs --file jobs.jsonl --create", "queue peek jobs --newest", "queue tail jobs"),
    ),
    Row(
        ACT,
        "topic",
        "Publish to topics and listen in.",
        "topics:topics",
        ("topic pub news '\"hello\"' --create", "topic sub news"),
    ),
    Row(
        ACT,
        "dead-letters",
        "Look at messages that reached nobody, and send them again.",
        "letters:letters",
        ("dead-letters ls", "dead-letters replay --reason stopped --to w2 --dry-run"),
    ),
    Row(
        ACT,
        "cluster",
        "See who belongs to the cluster, and join others.",
        "cluster:cluster",
        ("cluster members", "cluster join 10.0.0.5:8800"),
    ),
)
"""In the order in which shells complete them, and help lists those of a panel: groups last."""
