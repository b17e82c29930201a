"""Finds the one actor, queue or topic that a path speaks of, wherever in the cluster it is."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pulsing.admin import merging
from pulsing.admin.catalogue import hidden, in_path
from pulsing.admin.fanout import Answers, Fanout
from pulsing.admin.problems import ProblemError
from pulsing.core.spec import is_internal_class
from pulsing.ids import ActorId

Row = dict[str, Any]

SECRET_FIELDS = ("arguments",)
TIES_WITHIN_S = 0.5


def actor_id_of(text: str) -> ActorId | None:
    """The id that a text is, if it is one."""
    try:
        return ActorId.from_str(text)
    except ValueError:
        return None


def actor_paths(text: str) -> list[str]:
    """The paths that a name may stand for: itself, or under `actors/`."""
    if "/" not in text:
        return [f"actors/{text}"]
    return [text] if text.startswith(("actors/", "system/")) else [text, f"actors/{text}"]


def is_own(row: Row) -> bool:
    """Whether an actor is Pulsing's own: what is asked of it directly goes around the rules of the routes for it."""
    return row["kind"] == "system" or is_internal_class(row["class"])


async def find_actor(fanout: Fanout, text: str, node: str | None = None) -> tuple[Row, Answers]:
    """The detail of one actor, by id or name.

    Raises:
        ProblemError: `actor-not-found`; `ambiguous-name` where several nodes hold the name; `node-dead` and the like
            where the node that should know does not answer.
    """
    actor_id = actor_id_of(text)
    nodes = await _nodes_to_ask(fanout, actor_id, node)
    for asked in [str(actor_id)] if actor_id is not None else actor_paths(text):
        answers = await fanout.ask("actor", {"actor": asked}, nodes)
        answers.require_one()
        found = _living_first([{"node": where, **row} for where, row in answers.values.items() if row])
        if len(found) > 1:
            candidates = [{"node": row["node"], "id": row["id"], "href": f"actors/{row['id']}"} for row in found]
            raise ProblemError(
                "ambiguous-name", f"{len(found)} nodes hold {asked!r}", hint="add ?node=", candidates=candidates
            )
        if found:
            return {**found[0], "href": f"actors/{found[0]['id']}"}, answers
    raise ProblemError("actor-not-found", f"no actor {asked!r}", hint=await _nearest_name(fanout, asked))


async def with_ties(fanout: Fanout, row: Row) -> Row:
    """An actor's detail with what other nodes know of it: who watches it there, which of their topics it gets.

    A node that takes long is left out, and `partial` says so: an actor is shown without delay though another node
    hangs.
    """
    if "watchers" not in row:
        return row
    others = [node for node in await fanout.nodes() if node != row["node"]]
    answers = await fanout.ask("ties", {"actor": row["id"]}, others, within_s=TIES_WITHIN_S)
    told = [row, *answers.values.values()]
    ties = {name: sorted({one for each in told for one in each[name]}) for name in ("watchers", "topics")}
    return {**row, **ties, "partial": answers.partial, "unheard": answers.faults}


def _living_first(rows: list[Row]) -> list[Row]:
    """The live ones of some rows; where none lives, one of those that ended."""
    living = [row for row in rows if row["state"] not in ("stopped", "failed")]
    return living or rows[:1]


async def _nodes_to_ask(fanout: Fanout, actor_id: ActorId | None, node: str | None) -> Sequence[str] | None:
    known = await fanout.nodes()
    wanted = str(actor_id.node_id) if actor_id is not None else node
    if wanted is None:
        return None
    if wanted not in known:
        raise ProblemError("actor-not-found", f"no live node {wanted} that could hold it")
    return [wanted]


async def _nearest_name(fanout: Fanout, asked: str) -> str | None:
    if not fanout.offers("names"):
        return None
    # What nearly all names begin with makes none of them near.
    names = {
        name.removeprefix("actors/"): name for row in await fanout.ask_here("names") for name in [str(row["name"])]
    }
    near = nearest(asked.removeprefix("actors/"), names)
    return near and f"did you mean {names[near]!r}?"


def did_you_mean(asked: str, known: Iterable[str]) -> str | None:
    """A hint at the nearest known name, if one is near."""
    near = nearest(asked, known)
    return near and f"did you mean {near!r}?"


def nearest(asked: str, known: Iterable[str]) -> str | None:
    """The nearest known name, if one is near."""
    near = difflib.get_close_matches(asked[:200], list(known)[:5_000], n=1)
    return near[0] if near else None


def shown_actor(row: Row, *, operator: bool) -> Row:
    """An actor's detail as its reader may see it, with commands to paste."""
    shown = {**row, "commands": commands(row)}
    if operator:
        return shown
    errors = [{**error, "message": None} for error in row.get("errors") or ()]
    exit_ = row.get("exit")
    if exit_:
        exit_ = {**exit_, "error": None, "traceback": None}
    said = row.get("last_messages") and [{**each, "said": None, "answer": None} for each in row["last_messages"]]
    closed = {"errors": errors, "exit": exit_, "last_messages": said, "redacted": True}
    return {**hidden(shown, SECRET_FIELDS), **closed}


def commands(row: Row) -> dict[str, str]:
    """How to call the actor from a shell and from Python, without the token."""
    target = str(row.get("name") or row["id"])
    short = target.removeprefix("actors/")
    methods = [m["name"] for m in row.get("methods") or ()]
    method = methods[0] if methods else "method"
    body = f'{{"method": "{method}"}}' if methods else '{"message": {}}'
    find = f"await pul.resolve({short!r})" if row.get("name") else f"(await pul.refer({target!r})).as_any()"
    call = f"await actor.{method}()" if methods else "await actor.ref.ask({})"
    return {
        "curl": (
            f"curl -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' -d '{body}' "
            f"$PULSING_ENDPOINT/api/v1/actors/{in_path(short)}/call"
        ),
        "python": f"actor = {find}\n{call}",
        "cli": f"pulsing call {short} {method}" if methods else f"pulsing call {short} --message '{{}}'",
    }


async def find_queue(fanout: Fanout, queue: str) -> tuple[Row, Answers]:
    """The detail of one queue, from all nodes that own a bucket of it.

    Raises:
        ProblemError: `queue-not-found`.
    """
    return await _find(fanout, "queue", queue, merging.merge_queues)


async def find_topic(fanout: Fanout, topic: str) -> tuple[Row, Answers]:
    """The detail of one topic, from the node of its broker.

    Raises:
        ProblemError: `topic-not-found`.
    """
    return await _find(fanout, "topic", topic, merging.merge_topics)


async def _find(
    fanout: Fanout, kind: str, name: str, merge: Callable[[Iterable[Row]], list[Row]]
) -> tuple[Row, Answers]:
    answers = await fanout.ask(kind, {kind: name})
    answers.require_one()
    rows = merge(row for row in answers.rows() if row.get(kind))
    if not rows:
        hint = await _nearest(fanout, f"{kind}s", kind, name)
        raise ProblemError(f"{kind}-not-found", f"no {kind} {name!r}", hint=hint)
    return {**rows[0], "href": f"{kind}s/{in_path(name)}"}, answers


async def _nearest(fanout: Fanout, kind: str, field: str, asked: str) -> str | None:
    answers = await fanout.ask(kind)
    return did_you_mean(asked, {str(row[field]) for row in answers.rows()})
