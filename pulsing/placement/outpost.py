"""The process of one actor as its node sees it: started, watched, and ended.

It stands where other cells have the instance of the user's class, and its hooks are those of an actor: so a process
comes and goes as instances do, and one supervisor sees to both.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pulsing.core.ending import STOP_TIMEOUT_S
from pulsing.core.envelope import Envelope
from pulsing.exceptions import LinkLost, PulsingError, PulsingRuntimeError, PulsingSystemError
from pulsing.ids import ActorId, NodeId
from pulsing.logs import logger_of
from pulsing.placement.guest import GUEST, GUEST_NUMBER
from pulsing.placement.launcher import Launch, Process
from pulsing.placement.origin import Origin

if TYPE_CHECKING:
    from pulsing.placement.places import Places
    from pulsing.placement.stand_in import StandIn

logger = logger_of("pulsing.placement")

START_TIMEOUT_S = 30.0
"""How long a process may take until its actor is made."""
TERM_GRACE_S = 2.0
"""How long a process that has nothing more to do may take to end, before it is killed."""
LEAST_STOP_S = 0.5
"""Even an end that is to come at once is said to the process first."""
ASK_AGAIN_S = 0.1


@dataclass(frozen=True)
class Order:
    """What every process of one actor is told."""

    origin: Origin
    arguments: bytes
    """Those of the constructor, encoded once, so that all lives of the actor begin alike."""
    name: str | None
    options: Mapping[str, Any]
    resources: Mapping[str, Any]

    @property
    def label(self) -> str:
        """What people call the actor."""
        return self.name or self.origin.class_name


class Outpost:
    """One process of an actor; the next one is another outpost.

    Args:
        places: where processes come from.
        order: what is wanted of it.
        made: resolved when the actor is made, or cannot be; None at a restart.
    """

    def __init__(self, places: Places, order: Order, made: asyncio.Future[None] | None = None) -> None:
        self._places = places
        self._order = order
        self._made = made
        self._system = places.system
        self._node_id = NodeId()
        self._key = secrets.token_bytes(16)
        self._process: Process | None = None
        self._exit: asyncio.Task[str] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._reason = "stopped"
        self._patience: float | None = STOP_TIMEOUT_S

    # --- the hooks of an actor ---------------------------------------------------------------------------------------

    async def on_start(self, actor_id: ActorId) -> None:
        """Start the process and have the actor made there."""
        cell: StandIn = self._system.registry.by_id(actor_id)  # type: ignore[assignment]
        try:
            async with self._places.starting:
                await self._begin(actor_id)
        except Exception as error:
            if self._made is None:
                raise
            # Like a constructor that raises here: whoever spawns is told, and there is no actor.
            if not self._made.done():
                self._made.set_exception(error)
            cell.begin_end("failed", error, 0.0)
            return
        cell.connect(self, self._places.node.peer(self._node_id))
        self._watch = self._places.tasks.start(self._await_end(cell), f"watch {self._order.label}")
        if self._made is not None and not self._made.done():
            self._made.set_result(None)

    async def on_stop(self) -> None:
        """End the actor there, and then the process."""
        stopped = False
        try:
            if self._watch is not None and self._is_alive:
                await self._say_stop()
            stopped = True
        finally:
            if self._watch is not None:
                self._watch.cancel()
            await self._end_process(at_once=not stopped)

    async def metadata(self) -> dict[str, str]:
        """What the actor says of itself."""
        try:
            said: dict[str, str] = await self._ask_guest("said")
        except PulsingError as error:
            logger.debug("the process of %s does not say anything of its actor: %s", self._order.label, error)
            return {}
        return said

    # --- for the cell ------------------------------------------------------------------------------------------------

    def hurry(self, reason: str, timeout: float | None) -> None:
        """Note how the actor is to be stopped; the last word counts."""
        self._reason, self._patience = reason, timeout

    def row(self) -> dict[str, Any]:
        """Where the actor is, for listings."""
        pid = self._process.pid if self._process is not None and self._is_alive else None
        return {"placement": self._places.placement, "node": str(self._node_id), "pid": pid}

    # --- the beginning -----------------------------------------------------------------------------------------------

    async def _begin(self, actor_id: ActorId) -> None:
        try:
            await asyncio.wait_for(self._launch_and_create(actor_id), START_TIMEOUT_S)
        except asyncio.TimeoutError:
            await self._end_process(at_once=True)
            raise PulsingRuntimeError(
                f"the process of {self._order.label} was not ready within {START_TIMEOUT_S:g} s"
            ) from None
        except BaseException as error:
            # A process whose constructor raised is well, and may take leave of the others.
            await self._end_process(at_once=not isinstance(error, Exception))
            raise

    async def _launch_and_create(self, actor_id: ActorId) -> None:
        order, places = self._order, self._places
        bootstrap = places.bootstrap(self._node_id, actor_id, self._key, order)
        self._process = await places.launcher.launch(Launch(bootstrap.to_bytes(), order.label, order.resources))
        self._exit = places.exit_of(self._process, order.label)
        creating = asyncio.ensure_future(self._create())
        try:
            await asyncio.wait({self._exit, creating}, return_when=asyncio.FIRST_COMPLETED)
            if creating.done() and not await self._ends_now(creating.exception()):
                creating.result()
                return
        finally:
            creating.cancel()
        raise PulsingRuntimeError(
            f"the process of {order.label} {self._exit.result()} before it was ready; what it wrote says more"
        )

    async def _create(self) -> None:
        await self._places.wait_for_member(self._node_id)
        order = self._order
        await self._ask_guest("create", order.arguments, order.name, dict(order.options))

    async def _ends_now(self, error: BaseException | None) -> bool:
        """Whether the answer never came because the process is about to be gone."""
        assert self._exit is not None
        if isinstance(error, LinkLost):
            await asyncio.wait({self._exit}, timeout=TERM_GRACE_S)
        return error is not None and self._exit.done()

    async def _ask_guest(self, method: str, *args: Any, timeout: float = START_TIMEOUT_S) -> Any:
        target = ActorId.of(self._node_id.id, GUEST_NUMBER)
        return await self._system.bind(target, GUEST).request(method, (self._key, *args), None, timeout)

    # --- while it lives ----------------------------------------------------------------------------------------------

    @property
    def _is_alive(self) -> bool:
        return self._exit is not None and not self._exit.done()

    async def _await_end(self, cell: StandIn) -> None:
        """Tell the cell when the actor has ended there, or its process has."""
        assert self._exit is not None
        hearing = asyncio.ensure_future(self._hear_of_end())
        try:
            await asyncio.wait({self._exit, hearing}, return_when=asyncio.FIRST_COMPLETED)
            if self._exit.done():
                cell.fail(PulsingSystemError(f"the process of {cell.label} {self._exit.result()}", recoverable=False))
            elif (error := hearing.result()) is not None:
                cell.fail(error)
            else:
                cell.end_by_itself()
        finally:
            hearing.cancel()

    async def _hear_of_end(self) -> Exception | None:
        """Wait until the actor has ended there; None if it wanted to."""
        while True:
            try:
                error: Exception | None = await self._standing_question()
                return error
            except LinkLost:
                await asyncio.sleep(ASK_AGAIN_S)
            except PulsingError as error:
                # What cannot be reached must not go on beside the one that takes its place.
                assert self._process is not None
                self._process.kill()
                return PulsingSystemError(f"the process of {self._order.label} is lost: {error}", recoverable=False)

    async def _standing_question(self) -> Any:
        """Ask without a deadline."""
        target = ActorId.of(self._node_id.id, GUEST_NUMBER)
        reply = self._system.loop.create_future()
        self._places.node.ask(Envelope(target, "wait_for_end", (self._key,), None, reply))
        return await reply

    # --- the end -----------------------------------------------------------------------------------------------------

    async def _say_stop(self) -> None:
        patience = self._patience
        limit = STOP_TIMEOUT_S if patience is None else max(patience, LEAST_STOP_S)
        try:
            await self._ask_guest("stop", self._reason, patience, timeout=limit)
        except PulsingError as error:
            logger.warning("the process of %s did not stop its actor: %s", self._order.label, error)

    async def _end_process(self, *, at_once: bool) -> None:
        if self._process is None or self._exit is None:
            return
        try:
            if self._is_alive and not at_once:
                self._process.terminate()
                await asyncio.wait({self._exit}, timeout=TERM_GRACE_S)
        finally:
            if self._is_alive:
                self._process.kill()
        await asyncio.wait({self._exit}, timeout=TERM_GRACE_S)
