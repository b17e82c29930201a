"""One node's actors and what they share: spawning, looking up, stopping, counting.

Knows of other nodes only through two seams: a `Router` that carries envelopes whose address is not here, and a
`NameService` that knows the public names of the cluster.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import platform
import random
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pulsing.core.elsewhere as elsewhere
from pulsing.clock import Clock, clock_here, random_here
from pulsing.core.at_once import AtOnce
from pulsing.core.cell import Cell
from pulsing.core.conversation import AgentCell
from pulsing.core.dead_letters import DeadLetter, DeadLetters
from pulsing.core.envelope import Envelope
from pulsing.core.events import EventStream
from pulsing.core.home import check_home, on_home_loop, settle
from pulsing.core.life import Life
from pulsing.core.lifecycle import Ended, Terminated
from pulsing.core.listing import describe_class, figures_of, named_actors, named_instances
from pulsing.core.lookup import Lookup, actor_id_of, as_actor_id, as_node_id
from pulsing.core.mailbox import BLOCK, DEFAULT_OPTIONS, MAILBOX_BYTES
from pulsing.core.methods import MethodTable
from pulsing.core.preview import Preview
from pulsing.core.ref import ActorRef
from pulsing.core.registry import Instance, LocalNames, NameService, Registry, actor_path, lookup_path
from pulsing.core.seams import SYSTEM_ACTOR, SYSTEM_ACTOR_NUMBER, MemberView, NothingToInspect, Placement, Router
from pulsing.core.seldom import Seldom
from pulsing.core.spec import CellSpec
from pulsing.core.statistics import AskCounters, ClassCounters, SystemStatistics
from pulsing.core.stopping import Shutdown
from pulsing.core.ties import Ties
from pulsing.core.timers import Deadlines, check_seconds
from pulsing.core.turns import Turn
from pulsing.exceptions import ActorNotFound, NodeDead, NodeLeaving, NodeNotFound, SystemStopped
from pulsing.ids import ActorId, NodeId
from pulsing.tasks import TaskScope

ENDED_KEPT = 1_000
EVENT_EVERY_S = 1.0
PREVIEW_BYTES = 512
FIRST_NUMBER = 16
"""Numbers below are for actors whose id must be known beforehand."""

Inspector = Callable[[Mapping[str, Any]], Any]


class System:
    """The actors of one node."""

    def __init__(
        self,
        *,
        node_id: NodeId | None = None,
        clock: Clock | None = None,
        random: random.Random | None = None,
    ) -> None:
        """Make the system of this node on the running loop."""
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        """The loop's thread: asking who one is costs much less than asking for the running loop."""
        self.node_id = node_id or NodeId()
        self.addr = ""
        self.node_name = platform.node()
        """What people call this node."""
        self.clock: Clock = clock or clock_here()
        self.now = self.clock.monotonic
        self.random = random or random_here()
        self.facade: Any = self
        self.registry = Registry(self.node_id)
        self.names: NameService = LocalNames()
        self.router: Router | None = None
        self.members_view: Callable[[], list[MemberView]] = self._only_this_node
        self.inspectors: dict[str, Inspector] = {}
        self.tallies: dict[str, Callable[[], int]] = {}
        """How many of something this node has, by its name, for those who need not look at each: layers above add."""
        self.limits: dict[str, float] = {}
        """What this node grants itself and others, by the name of the setting without its section."""
        self.ties = Ties()
        self.placements: dict[str, Placement] = {}
        """Where else than on a node actors may be placed, by the word for it."""
        self.guest_of: NodeId | None = None
        """The node for whose actor this process was started: nothing else is placed here."""
        self.credentials: Any = None
        """The secrets of this node's links; None until it has any. Given beforehand to a guest."""
        self.creates_for_others = True
        self.leaving: list[Callable[[], Awaitable[None]]] = []
        """What else has to be told when the system is about to end, before mailboxes run empty."""
        self.handing_over: list[Callable[[], Awaitable[None]]] = []
        """What gives to other nodes what this one owns, once the actors of users have ended; they may fail."""
        self.admin_url: str | None = None
        """Where the admin app of this node is served, without a path."""
        self.announce: Callable[..., None] = lambda **_: None
        """Tells the other nodes something of this one."""
        self.join_through: Callable[[list[str], float | None], Awaitable[bool]] | None = None
        """Joins the clusters of further seeds; None for a node that has no links."""
        self.may_be_cut_off: Callable[[], bool] = lambda: False
        """Whether this node was told of others and has met none, though there may be some: not all were refused."""
        self.may_lack_members: Callable[[], bool] = lambda: False
        """Whether this node was told of an address that has been silent ever since: somebody unknown may live there."""
        self.has_joined: Callable[[], bool] = lambda: True
        """Whether a member of the cluster that this node was told to join has answered."""
        self.member_listeners: list[Callable[[], None]] = []
        """Called after each change among the members of the cluster."""
        self.closing: list[Callable[[], Awaitable[None]]] = []
        """What else has to be closed when all actors have ended; the last added goes first."""
        self.tasks = TaskScope("pulsing")
        self.asks = AskCounters()
        self.deadlines = Deadlines(self.loop, self.now, self._timed_out)
        self.at_once = AtOnce(self.loop)
        self.events = EventStream(self.clock)
        self.dead_letters = DeadLetters(self.clock, self._report_dead_letter)
        self.preview = Preview(PREVIEW_BYTES)
        """What is shown of the messages of agents."""
        self.mailbox = DEFAULT_OPTIONS
        """The mailbox of actors for which neither their class nor their spawn names one."""
        self.mailbox_bytes = MAILBOX_BYTES
        """Bytes that messages of other nodes may take in the mailbox of one actor."""
        self.ended: deque[Ended] = deque(maxlen=ENDED_KEPT)
        self.started_wall = self.clock.wall()
        self._started = self.now()
        self._numbers = itertools.count(FIRST_NUMBER)
        self.counters: dict[str, ClassCounters] = {}
        self.lookup = Lookup(self)
        self.log_seldom = Seldom(self.clock)
        """For lines that others could make as many of as they like."""
        self._report_seldom = Seldom(self.clock, EVENT_EVERY_S)
        self._shutdown = Shutdown(self)
        self._turns: dict[tuple[ClassCounters, MethodTable | None, bool], dict[str | None, Turn]] = {}
        self.waiting: set[Cell] = set()
        """Actors whose mailbox was not empty when they last looked at it; a snapshot looks at no others."""
        settle(self)

    # --- spawning --------------------------------------------------------------------------------------------------

    def start_actor(
        self,
        actor: Any,
        spec: CellSpec,
        *,
        name: str | None = None,
        public: bool = False,
        factory: Callable[[], Any] | None = None,
        number: int | None = None,
        actor_id: ActorId | None = None,
        make_cell: Callable[..., Cell] | None = None,
    ) -> Cell:
        """Register an actor and make it ready; what every way to spawn ends in.

        Args:
            actor: the instance.
            spec: how it is run.
            name: bare name or path; None for an anonymous actor.
            public: whether other nodes may resolve the name.
            factory: makes a fresh instance for a restart; None where there cannot be one.
            number: the actor's number on this node; the next free one if None.
            actor_id: an id of another node, for an actor that runs here in the place of one there.
            make_cell: what runs the actor; by default a cell, which of an agent remembers what it was told.

        Raises:
            NameTaken, ValueError, SystemStopped, WrongLoop
            NodeLeaving: the system is about to end.
        """
        check_home(self)
        self.check_running()
        if self._shutdown.draining and not spec.internal:
            raise NodeLeaving(self.node_id)
        path = self.check_name(name, public, internal=spec.kind == "system")
        if spec.mailbox is DEFAULT_OPTIONS and self.mailbox != DEFAULT_OPTIONS:
            spec = replace(spec, mailbox=self.mailbox)
        counters = self.counters_of(spec)
        cell = (make_cell or (Cell if spec.card is None else AgentCell))(
            self,
            actor_id or ActorId.of(self.node_id.id, next(self._numbers) if number is None else number),
            actor,
            spec,
            path=path,
            public=public and path is not None,
            factory=factory,
            counters=counters,
            created_at=self.clock.wall(),
        )
        self.registry.add(cell)
        counters.spawned += 1
        if spec.mailbox.policy != BLOCK:
            # What may lose messages is counted from nothing on: a first count alone is no rise to Prometheus.
            counters.dropped.setdefault(spec.mailbox.policy, 0)
        cell.start()
        if cell.public:
            self.names.publish(self.instance_of(cell))
        if path is not None or self.events.watched:
            self.report(cell, "actor.spawned")
        return cell

    def check_name(self, name: str | None, public: bool = False, *, internal: bool = False) -> str | None:
        """The path of a name that an actor may have here, None for none.

        Raises:
            NameTaken, ValueError, SystemStopped
        """
        self.check_running()
        if not isinstance(public, bool):
            raise ValueError(f"public is True or False, got {public!r}")
        if name is None:
            return None
        path = actor_path(name, internal=internal)
        self.registry.check_free(path)
        return path

    def counters_of(self, spec: CellSpec) -> ClassCounters:
        """The counters of a class on this node."""
        counters = self.counters.get(spec.class_name)
        if counters is None:
            counters = self.counters[spec.class_name] = ClassCounters(
                spec.class_name, spec.internal, None if spec.internal else self.asks
            )
        return counters

    def turns_of(self, spec: CellSpec) -> dict[str | None, Turn]:
        """The turns that messages to actors of a kind have taken so far; shared by all of the kind."""
        key = (self.counters_of(spec), spec.table, spec.threaded)
        turns = self._turns.get(key)
        if turns is None:
            turns = self._turns[key] = {}
        return turns

    def instance_of(self, cell: Cell) -> Instance:
        """What other nodes are told of a named actor."""
        assert cell.path is not None
        return Instance(cell.path, cell.actor_id, self.node_id, describe_class(cell))

    def forget(self, cell: Life, ended: Ended) -> None:
        """Take an actor that has ended out of all books."""
        self.registry.remove(cell)
        self.free_name(cell)
        self.ended.append(ended)
        if cell.path is not None or self.events.watched:
            kind = "actor.stopped" if ended.error is None else "actor.failed"
            self.report(cell, kind, reason=ended.reason, error=ended.error)

    def free_name(self, cell: Life) -> None:
        """Give an actor's name back, here and everywhere; nothing if it has none any more."""
        self.registry.free_name(cell)
        if cell.public:
            assert cell.path is not None
            self.names.withdraw(cell.path, cell.actor_id)

    # --- looking up ------------------------------------------------------------------------------------------------

    @on_home_loop
    async def resolve(
        self, name: str, *, node_id: int | NodeId | None = None, timeout: float | None = None
    ) -> ActorRef:
        """Find a live actor by name, in rotation where several nodes have one.

        Args:
            name: bare name or path.
            node_id: look on this node only.
            timeout: seconds to wait for the name to appear; None or 0 looks once.

        Raises:
            ActorNotFound: nobody has the name.
            NodeNotFound: the node is unknown, or does not have the name.
            ValueError: the name breaks the grammar, or the timeout is no number of seconds.
        """
        self.check_running()
        check_seconds(timeout, "timeout")
        wanted = None if node_id is None else as_node_id(node_id)
        return await self.lookup.find(lookup_path(name), wanted, timeout or 0.0)

    def ref_of(self, instance: Instance) -> ActorRef:
        """A ref of this system to an actor behind a name."""
        return self.bind(instance.actor_id, instance.path)

    def bind(self, actor_id: ActorId, name: str | None = None) -> ActorRef:
        """A ref of this system to an id of any node; nothing is checked."""
        cell = self.registry.by_id(actor_id) if actor_id.id >> 64 == self.node_id.id else None
        return cell.ref if cell is not None else ActorRef(actor_id, name, self)

    @on_home_loop
    async def refer(self, actorid: ActorId | str | int) -> ActorRef:
        """A ref to a live actor by its id, on any node; another node is asked.

        Raises:
            ActorNotFound, NodeNotFound, NodeDead
            ValueError: the text is no id.
        """
        self.check_running()
        actor_id = as_actor_id(actorid)
        if actor_id.node_id == self.node_id:
            cell = self.registry.by_id(actor_id)
            if cell is None or cell.closed:
                raise ActorNotFound(actor_id=actor_id)
            return cell.ref
        self.check_node(actor_id.node_id)
        found = await self.ask_node(actor_id.node_id, "describe", str(actor_id))
        if found is None:
            raise ActorNotFound(actor_id=actor_id)
        return ActorRef(actor_id, found["name"], self)

    async def system(self) -> ActorRef:
        """A ref to the system actor of this node."""
        return self.bind(ActorId.of(self.node_id.id, SYSTEM_ACTOR_NUMBER), SYSTEM_ACTOR)

    async def remote_system(self, node_id: int | NodeId) -> ActorRef:
        """A ref to the system actor of a node.

        Raises:
            NodeNotFound: the node is not a member.
        """
        wanted = as_node_id(node_id)
        if wanted != self.node_id:
            self.check_node(wanted)
        return self.bind(ActorId.of(wanted.id, SYSTEM_ACTOR_NUMBER), SYSTEM_ACTOR)

    @on_home_loop
    async def ask_node(self, node_id: NodeId, method: str, *args: Any, timeout: float | None = 30.0) -> Any:
        """Call a method of the system actor of a node."""
        ref = await self.remote_system(node_id)
        return await ref.request(method, args, None, timeout)

    def check_node(self, node_id: NodeId) -> None:
        """Raise NodeNotFound or NodeDead unless the node can be asked."""
        if node_id == self.node_id:
            return
        if self.router is None:
            raise NodeNotFound(node_id)
        self.router.check_node(node_id)

    def check_running(self) -> None:
        """Raise SystemStopped after `shutdown`."""
        if self._shutdown.stopped:
            raise SystemStopped()

    # --- stopping --------------------------------------------------------------------------------------------------

    @on_home_loop
    async def stop(self, target: Any, *, timeout: float | None = 30.0) -> bool:
        """Stop an actor: its running message finishes, queued asks fail, `on_stop` runs, its name is free.

        Args:
            target: name or path of an actor of this node; or, on any node, an id, its text, a ref or a proxy.
            timeout: seconds that the running message may take; None for ever.

        Returns:
            Whether something was stopped: not an actor that nobody knows, nor one whose node is dead, has left or is
            unknown. An actor that stops itself gets True at once and ends after the message.
        """
        check_seconds(timeout, "timeout")
        actor_id = actor_id_of(target, self.registry)
        if actor_id is None:
            return False
        if actor_id.node_id != self.node_id:
            try:
                self.check_node(actor_id.node_id)
            except (NodeDead, NodeLeaving, NodeNotFound):
                return False
            return await self._stop_elsewhere(actor_id, timeout)
        cell = self.registry.by_id(actor_id)
        if cell is None or cell.spec.kind == "system":
            return False
        if cell.is_current:
            cell.begin_end("stopped", None, timeout)
        else:
            await cell.stop("stopped", timeout)
        return True

    async def _stop_elsewhere(self, actor_id: ActorId, timeout: float | None) -> bool:
        # A call to another node has a deadline, and the end may take longer: it is ordered, and then watched.
        if not await self.ask_node(actor_id.node_id, "stop_actor", str(actor_id), timeout):
            return False
        with suppress(ActorNotFound):  # so long over that nobody remembers it
            await self.bind(actor_id).watch()
        return True

    @on_home_loop
    async def shutdown(self, *, drain: float | None = 10.0) -> None:
        """Let mailboxes run empty for up to `drain` seconds, stop every actor, and end all tasks.

        Calls beyond the first wait for the end of the first.
        """
        check_seconds(drain, "drain")
        await self._shutdown.run(drain)

    async def drain(self, seconds: float | None = 10.0) -> None:
        """Take no new work from now on, and wait for up to `seconds` until mailboxes have run empty.

        Other nodes are told, and turn elsewhere. What follows can only be `shutdown`.
        """
        await self._shutdown.run_empty(seconds, None)

    @property
    def draining(self) -> bool:
        """Whether the system is about to end and takes no new actors."""
        return self._shutdown.draining

    @property
    def uptime_s(self) -> float:
        """Seconds since the system was made."""
        return self.now() - self._started

    @property
    def stopped(self) -> bool:
        """Whether the system has ended."""
        return self._shutdown.stopped

    # --- messages and news of other nodes --------------------------------------------------------------------------

    def deliver(self, envelope: Envelope) -> asyncio.Future[None] | None:
        """Hand over a message that came from another node.

        Returns:
            None when it was taken at once; else a future that is done when the mailbox had room.

        Raises:
            PulsingRuntimeError: a tell that was not taken; an ask gets its error as its answer.
        """
        cell = self.registry.by_id(envelope.target)
        if self._shutdown.draining and elsewhere.is_new_work(envelope, cell):
            elsewhere.refuse_new_work(self, envelope)
            return None
        if cell is None:
            elsewhere.fail_unknown(self, envelope)
            return None
        return cell.deliver(envelope, wait=True)

    def watch(self, ref: ActorRef, told: Callable[[Terminated], None]) -> None:
        """Call `told` once when the actor has ended, wherever it lives."""
        if ref.actor_id.node_id != self.node_id:
            if self.router is None:
                raise NodeNotFound(ref.actor_id.node_id)
            self.router.watch(ref.actor_id, told)
            return
        cell = self.registry.by_id(ref.actor_id)
        if cell is not None:
            cell.watch(told)
            return
        if ref._cell is not None:
            ref._cell.watch(told)
            return
        known = self.ended_actor(ref.actor_id)
        if known is None:
            raise ActorNotFound(actor_id=ref.actor_id)
        told(Terminated(known.actor_id, known.name, self.node_id, known.reason, known.failure))

    def unwatch(self, ref: ActorRef, told: Callable[[Terminated], None]) -> None:
        """Take the watch of an actor of this node back."""
        cell = self.registry.by_id(ref.actor_id)
        if cell is not None:
            cell.unwatch(told)

    def ended_actor(self, actor_id: ActorId) -> Ended | None:
        """How an actor of this node has ended, as far as that is remembered."""
        return next((ended for ended in reversed(self.ended) if ended.actor_id == actor_id), None)

    # --- listings and figures --------------------------------------------------------------------------------------

    @on_home_loop
    async def members(self) -> list[dict[str, str]]:
        """The members of the cluster as `{"node_id", "addr", "status"}`, this node first; ids are decimal text."""
        return [{"node_id": str(m.node_id.id), "addr": m.addr, "status": m.status} for m in self.members_view()]

    def _only_this_node(self) -> list[MemberView]:
        return [MemberView(self.node_id, self.addr, "Leaving" if self.draining else "Alive")]

    @on_home_loop
    async def all_named_actors(self) -> list[dict[str, Any]]:
        """Every public name with its instances, and the private names of this node."""
        return named_actors(self)

    @on_home_loop
    async def get_named_instances(self, name: str) -> list[dict[str, Any]]:
        """The instances behind a name, with the address and status of their nodes."""
        return named_instances(self, name)

    def local_actor_names(self) -> list[str]:
        """Paths of the actors of this node, ids of the anonymous ones, system actors included."""
        return [cell.label for cell in self.registry]

    def statistics(self) -> SystemStatistics:
        """This node's figures at this moment, as frozen values."""
        return figures_of(self)

    @on_home_loop
    async def inspect(self, kind: str, params: Mapping[str, Any] | None = None) -> Any:
        """Answer a named question about this node, in plain JSON-able values; the layers above add questions.

        Raises:
            NothingToInspect: nobody answers such questions here.
        """
        inspector = self.inspectors.get(kind)
        if inspector is None:
            raise NothingToInspect(f"nothing to inspect under {kind!r}; known: {', '.join(sorted(self.inspectors))}")
        answer = inspector(params or {})
        return await answer if inspect.isawaitable(answer) else answer

    # --- what happened ---------------------------------------------------------------------------------------------

    def report(self, cell: Life, type: str, **data: Any) -> None:
        """Publish an event about an actor."""
        if cell.spec.internal:
            return
        shown = {key: value for key, value in data.items() if value is not None}
        self.events.publish(
            type,
            kind="actor",
            id=str(cell.actor_id),
            name=cell.path or "",
            data={"class": cell.spec.class_name, **shown},
        )

    def report_long_turn(self, cell: Life, method: str, took: float) -> None:
        """Publish that a turn held the loop; at most one event a second for a class."""
        if self._report_seldom.due(f"long_turn {cell.spec.class_name}"):
            self.report(cell, "actor.long_turn", method=f"{cell.spec.bare_name}.{method}", s=round(took, 3))

    def _timed_out(self, envelope: Envelope) -> bool:
        """Count an ask whose time is over; returns whether its message may have been run."""
        here = envelope.target.id >> 64 == self.node_id.id
        (self.asks.timeout_here if here else self.asks.timeout).observe(envelope.timeout or 0.0)
        if not here:
            return self.router is None or not self.router.holds(envelope)
        cell = self.registry.by_id(envelope.target)
        if cell is None:
            return True
        cell.caller_left(envelope)
        return cell.mailbox is None or not cell.mailbox.holds(envelope)

    def _report_dead_letter(self, letter: DeadLetter) -> None:
        if self._report_seldom.due(f"dead_letter {letter.reason}"):
            self.events.publish(
                "dead_letter",
                kind="actor",
                id=letter.recipient_id,
                name=letter.recipient_name or "",
                data={"reason": letter.reason, "count": self.dead_letters.counts[letter.reason]},
            )

    def __repr__(self) -> str:
        return f"ActorSystem(node_id={self.node_id}, addr={self.addr})"
