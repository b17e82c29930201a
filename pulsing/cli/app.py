"""The commands of `pulsing`, put together, each with examples that can be typed as they are."""

from __future__ import annotations

from collections.abc import Callable

import typer

from pulsing.cli import (
    access,
    act,
    checks,
    cluster,
    config,
    doctor,
    examples,
    figures,
    happenings,
    inspect,
    letters,
    look,
    passphrase,
    queues,
    serve,
    top,
    topics,
)
from pulsing.cli.completion import completion
from pulsing.cli.connection import common_options, connected
from pulsing.cli.demo import demo
from pulsing.cli.output import write_line

_RUN = "Run"
_LOOK = "Look"
_ACT = "Act"


def _lines(*examples: str) -> str:
    # An empty line is what keeps two lines apart where help is shown.
    return "\n\n".join(f"$ pulsing {example}" for example in examples)


app = typer.Typer(
    name="pulsing",
    help="Distributed actors, queues and topics: run nodes, look at them, act on them.",
    epilog=_lines("demo", "serve", "status", "COMMAND --help"),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


app.callback()(common_options)


def version() -> None:
    """Print the version."""
    # Takes longer to import than most commands take to run.
    from importlib.metadata import version as installed_version

    write_line(installed_version("pulsing"))


def _add(panel: str, name: str, command: Callable[..., None], *examples: str) -> None:
    app.command(name, rich_help_panel=panel, epilog=_lines(*examples))(command)


_add(_RUN, "demo", demo, "demo", "demo ~/texts --once")
_add(
    _RUN,
    "serve",
    serve.serve,
    "serve app --addr 127.0.0.1:8800",
    "serve app --seeds 127.0.0.1:8800 --name n2",
    "serve --config prod.toml --set limits.streams=64",
)
_add(_RUN, "actor", serve.actor, "actor app.Worker --name w1 -- 7 label=blue")
_add(_RUN, "examples", examples.examples, "examples", "examples two_actors > mine.py", "examples two_actors --run")
_add(_RUN, "bench", examples.bench, "bench", "bench local")
_add(_RUN, "doctor", doctor.doctor, "doctor", "doctor --config prod.toml")
_add(_RUN, "gen-passphrase", passphrase.gen_passphrase, "gen-passphrase > passphrase")
_add(_RUN, "completion", completion, "completion bash >> ~/.bashrc")
_add(_RUN, "version", version, "version")
app.add_typer(config.config, name="config", rich_help_panel=_RUN, epilog=_lines("config show --changed", "config init"))
app.add_typer(access.tokens, name="token", rich_help_panel=_RUN, epilog=_lines("token path", "token new cluster"))

_add(_LOOK, "status", connected(look.status), "status", "status -w")
_add(
    _LOOK,
    "list",
    connected(look.list_things),
    "list actors -f state=running --sort -mailbox",
    "list queues -o csv --columns queue,max_lag",
    "list nodes -w",
)
_add(_LOOK, "get", connected(look.get_thing), "get actor worker", "get queue jobs -o yaml")
_add(_LOOK, "summary", connected(look.summarise), "summary actors --by class,node")
_add(_LOOK, "top", connected(top.top), "top", "top queues --interval 5", "top methods --once -o json")
_add(_LOOK, "check", connected(checks.check), "check", "check event_loop_lag")
_add(_LOOK, "events", connected(happenings.events), "events --since 10m", "events -f --type 'actor.*'")
_add(_LOOK, "dashboard", connected(access.dashboard), "dashboard", "dashboard --print")
app.add_typer(
    figures.metrics, name="metrics", rich_help_panel=_LOOK, epilog=_lines("metrics dump", "metrics grafana -o grafana")
)
app.add_typer(
    inspect.inspect,
    name="inspect",
    rich_help_panel=_LOOK,
    epilog=_lines("inspect cluster --seeds 127.0.0.1:8700", "inspect watch --kind actors --max_rounds 3"),
)

_add(
    _ACT, "spawn", connected(act.spawn), "spawn app.Worker size=3 --name w1", "spawn app.Worker --tag team=a --dry-run"
)
_add(_ACT, "call", connected(act.call), "call w1 add number=3", "call w1 count --arg 5")
_add(_ACT, "tell", connected(act.tell), "tell w1 add number=3")
_add(_ACT, "stop", connected(act.stop), "stop w1 w2 --yes --reason 'too old'")
_add(_ACT, "restart", connected(act.restart), "restart w1")
_add(_ACT, "tag", connected(act.tag), "tag w1 team=a old-")
app.add_typer(
    queues.queues,
    name="queue",
    rich_help_panel=_ACT,
    epilog=_lines("queue put jobs --file jobs.jsonl --create", "queue peek jobs --newest", "queue tail jobs"),
)
app.add_typer(
    topics.topics,
    name="topic",
    rich_help_panel=_ACT,
    epilog=_lines("topic pub news '\"hello\"' --create", "topic sub news"),
)
app.add_typer(
    letters.letters,
    name="dead-letters",
    rich_help_panel=_ACT,
    epilog=_lines("dead-letters ls", "dead-letters replay --reason stopped --to w2 --dry-run"),
)
app.add_typer(
    cluster.cluster,
    name="cluster",
    rich_help_panel=_ACT,
    epilog=_lines("cluster members", "cluster join 10.0.0.5:8800"),
)
