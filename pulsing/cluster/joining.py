"""From settings to a node that is part of a cluster."""

from __future__ import annotations

import ipaddress
import platform
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from random import Random
from typing import TypeVar

from pulsing.cluster.cluster import Cluster
from pulsing.cluster.control import CONTROL_LIMITS, CONTROL_PATH, ControlLinks
from pulsing.cluster.crossing import Crossing, SameLoop
from pulsing.cluster.driver import FIRST_ROUND_S
from pulsing.cluster.head import JoinPlan
from pulsing.cluster.member import GUEST, NOTHING, Member
from pulsing.cluster.participation import Participation
from pulsing.cluster.profile import PROFILES
from pulsing.cluster.seeds import parse_address
from pulsing.cluster.thread import HeartbeatThread
from pulsing.config import SystemConfig
from pulsing.core.system import System
from pulsing.exceptions import AddressInUse, AuthFailed, JoinTimeout
from pulsing.ids import NodeId
from pulsing.logs import logger_of
from pulsing.node import Node
from pulsing.node.busy_poll import usable_processors
from pulsing.node.credentials import Credentials, find_credentials
from pulsing.node.gate import LinkGate
from pulsing.transport.address import join_address, split_address
from pulsing.transport.base import Transport
from pulsing.transport.websocket import WebSocketTransport
from pulsing.wire.handshake import Terms
from pulsing.wire.session import Bounds

logger = logger_of(__name__)

T = TypeVar("T")

TransportFor = Callable[[NodeId, int | None], Transport]
"""Makes the way to node ports, given the control port to announce there; or given None, the way to control ports."""

Through = Callable[[Transport], Transport]
"""Wraps each way to other nodes, that to control ports first; called on the node's loop, before either is used."""


async def join_network(
    system: System,
    config: SystemConfig,
    transport_for: TransportFor | None = None,
    through: Through | None = None,
) -> Participation:
    """Open this node's listener, join the cluster, and put the system on both.

    Args:
        system: the actors of this node.
        config: where to listen, whom to join, by what secret.
        transport_for: makes the ways to other nodes; by default WebSocket, with the node's credentials, and then
            membership has a thread of its own.
        through: wraps those ways, as tests do that break them.

    Raises:
        ValueError: an address cannot be read, or is a wildcard where one is needed that others can dial.
        AddressInUse: the port is taken.
        AuthFailed: no seed could be joined because secrets, cluster names or modes differ.
        JoinTimeout: no seed answered within `join_timeout`.
    """
    plan = JoinPlan.of(config.addr, list(config.seeds), config.head_addr, config.is_head_node)
    _check_advertised(config.advertise)
    own_thread = transport_for is None
    crossing: Crossing = (
        await HeartbeatThread.start(f"pulsing-heartbeat-{system.node_id}") if own_thread else SameLoop()
    )
    system.closing.append(crossing.close)
    make = transport_for or partial(_secured, system, config)
    wrap = through or _unchanged
    host, port = split_address(config.addr or _default_bind(plan))
    control = ControlLinks(wrap(make(system.node_id, None)), system.node_id.id)
    control_port = await crossing.run(
        _at_free_port(config, config.control_port, lambda port: control.listen(host, port))
    )
    system.closing.append(lambda: crossing.run(control.close()))
    transport = wrap(make(system.node_id, control_port))
    node = _node(system, config, transport, busy_polls=own_thread and usable_processors() > 1)
    listener = node.listener = await _at_free_port(
        config, port, lambda port: transport.listen(join_address(host, port), node.attach_accepted)
    )
    system.closing.append(listener.close)
    system.addr = config.advertise or _dialable(listener.addr, plan)
    part = Participation(node, _cluster(system, config, plan, control, control_port, crossing), control)
    system.leaving.append(part.say_leaving)
    system.closing.append(part.close)
    part.begin()
    system.join_through = part.cluster.join
    if plan.seeds:
        system.has_joined = lambda: part.cluster.is_joined
        await _join(part, plan, config)
    if config.node_name is None:
        part.keep_free_name(comes_late=bool(plan.seeds) and not part.cluster.is_joined)
    return part


def _unchanged(transport: Transport) -> Transport:
    return transport


async def _at_free_port(config: SystemConfig, wanted: int, listen: Callable[[int], Awaitable[T]]) -> T:
    """Listen on the port that was wanted, or where none was on the first free one of those that may be taken."""
    if wanted:
        return await listen(wanted)
    *others, last = config.free_ports
    for port in others:
        with suppress(AddressInUse):
            return await listen(port)
    return await listen(last)


def _node(system: System, config: SystemConfig, transport: Transport, *, busy_polls: bool) -> Node:
    return Node(
        system,
        transport,
        allow_pickle=config.allow_pickle,
        closed_kept=config.links_kept,
        user_bytes=config.user_bytes,
        bounds=Bounds(
            window_frames=config.window_frames,
            window_bytes=config.window_bytes,
            pending_asks=config.pending_asks,
            stream_items=config.stream_items,
        ),
        max_message=config.max_message_bytes,
        busy_poll_s=config.busy_poll_us / 1e6 if busy_polls else 0.0,
    )


def _cluster(
    system: System, config: SystemConfig, plan: JoinPlan, control: ControlLinks, control_port: int, crossing: Crossing
) -> Cluster:
    system.node_name = config.node_name or platform.node()
    metadata = NOTHING if system.guest_of is None else {GUEST: str(system.guest_of)}
    me = Member(
        system.node_id.id,
        system.addr,
        name=system.node_name,
        control_port=control_port,
        version=_version(),
        metadata=metadata,
    )
    return Cluster(
        me,
        control,
        clock=system.clock,
        # One generator is not for two threads.
        random=Random(system.random.getrandbits(64)),  # noqa: S311 - jitter and sampling, not secrets
        crossing=crossing,
        profile=PROFILES[config.detector],
        name=config.cluster,
        mode=plan.mode,
        head=plan.head,
        max_public_names=config.public_names,
    )


def _secured(system: System, config: SystemConfig, node_id: NodeId, control_port: int | None) -> Transport:
    """WebSocket links that are opened only to those who prove the node's secret."""
    credentials: Credentials | None = system.credentials
    if credentials is None:
        credentials = find_credentials(
            passphrase=config.passphrase,
            passphrase_file=config.passphrase_file,
            token_file=config.token_file,
            insecure=config.insecure,
            cluster=config.cluster,
        )
        system.credentials = credentials
    system.creates_for_others = credentials.secure
    if control_port is None:
        gate = LinkGate(credentials, node_id, Terms())
        return WebSocketTransport(gate, path=CONTROL_PATH, limits=CONTROL_LIMITS, tls=config.tls)
    terms = Terms(pickle=config.allow_pickle and credentials.secure, control_port=control_port)
    return WebSocketTransport(LinkGate(credentials, node_id, terms), tls=config.tls)


async def _join(part: Participation, plan: JoinPlan, config: SystemConfig) -> None:
    """Wait as long as was asked for, but not for seeds that have refused this node's secret."""
    timeout, began = config.join_timeout, part.node.system.now()
    # The first round is over as soon as all seeds have been heard of, and then a refusal is not waited with.
    first_round = None if timeout is None or timeout >= FIRST_ROUND_S else timeout
    if await part.cluster.join(plan.seeds, first_round):
        return
    _raise_refusal(part)
    if timeout is None:
        await _tell_silence(part)
        return
    left = timeout - (part.node.system.now() - began)
    if left > 0 and await part.cluster.join(plan.seeds, left):
        return
    _raise_refusal(part)
    reasons = [seed.reason for seed in (await part.cluster.observe()).seeds if seed.reason]
    raise JoinTimeout(list(plan.seeds), timeout, reasons)


async def _tell_silence(part: Participation) -> None:
    """Let the log say why a node begins alone that was to join others: it may be an address with a mistake in it."""
    silent = [f"{seed.addr} ({seed.reason})" for seed in (await part.cluster.observe()).seeds if seed.reason]
    if silent:
        logger.warning("no seed has answered so far, and the node goes on trying: %s", ", ".join(silent))


def _raise_refusal(part: Participation) -> None:
    if (failure := part.node.auth_failure) is not None:
        raise AuthFailed(failure.addr, failure.hint)


def _check_advertised(advertise: str | None) -> None:
    if advertise is None:
        return
    if is_wildcard(parse_address(advertise).host):
        raise ValueError(f"others cannot dial {advertise}: advertise an address of this machine")


def is_wildcard(host: str) -> bool:
    """Whether a host stands for all interfaces."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _default_bind(plan: JoinPlan) -> str:
    """A free port on the interface that leads to the first contact; loopback where there is none."""
    host = interface_to(plan.seeds[0]) if plan.seeds else "127.0.0.1"
    return join_address(host, 0)


def _dialable(bound: str, plan: JoinPlan) -> str:
    """The bound address, with a wildcard replaced by the interface that leads to the first contact."""
    host, port = split_address(bound)
    if not is_wildcard(host):
        return bound
    contact = plan.seeds[0] if plan.seeds else "192.0.2.1:9"
    return join_address(interface_to(contact), port)


def interface_to(contact: str) -> str:
    """The local address from which packets to a contact, `host:port`, would leave; nothing is sent to find it."""
    address = parse_address(contact)
    try:
        family, _, _, _, target = socket.getaddrinfo(address.host, address.port or 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(target)
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"


def _version() -> str:
    try:
        return version("pulsing")
    except PackageNotFoundError:
        return "0"
