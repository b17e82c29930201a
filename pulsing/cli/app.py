"""The commands of `pulsing`, put together."""

from __future__ import annotations

import typer

from pulsing.cli import access, act, happenings, look, passphrase, queues, serve, topics
from pulsing.cli.connection import connected
from pulsing.cli.demo import demo
from pulsing.cli.output import write_line

_NODES = "Run"
_LOOK = "Look"
_ACT = "Act"

app = typer.Typer(
    name="pulsing",
    help="Distributed actors, queues and topics: run nodes, look at them, act on them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def version() -> None:
    """Print the version."""
    # Takes longer to import than most commands take to run.
    from importlib.metadata import version as installed_version

    write_line(installed_version("pulsing"))


app.command(rich_help_panel=_NODES)(demo)
app.command(rich_help_panel=_NODES)(serve.serve)
app.command(rich_help_panel=_NODES)(serve.actor)
app.command("gen-passphrase", rich_help_panel=_NODES)(passphrase.gen_passphrase)
app.command(rich_help_panel=_NODES)(version)
app.command("status", rich_help_panel=_LOOK)(connected(look.status))
app.command("list", rich_help_panel=_LOOK)(connected(look.list_things))
app.command("get", rich_help_panel=_LOOK)(connected(look.get_thing))
app.command("summary", rich_help_panel=_LOOK)(connected(look.summarise))
app.command("events", rich_help_panel=_LOOK)(connected(happenings.events))
app.command("dashboard", rich_help_panel=_LOOK)(connected(access.dashboard))
app.command("spawn", rich_help_panel=_ACT)(connected(act.spawn))
app.command("call", rich_help_panel=_ACT)(connected(act.call))
app.command("tell", rich_help_panel=_ACT)(connected(act.tell))
app.command("stop", rich_help_panel=_ACT)(connected(act.stop))
app.command("restart", rich_help_panel=_ACT)(connected(act.restart))
app.command("tag", rich_help_panel=_ACT)(connected(act.tag))
app.add_typer(queues.queues, name="queue", rich_help_panel=_ACT)
app.add_typer(topics.topics, name="topic", rich_help_panel=_ACT)
app.add_typer(access.tokens, name="token", rich_help_panel=_NODES)
