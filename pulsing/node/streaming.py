"""Streams between nodes: items go out as credit allows, and credit comes back as the reader takes them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pulsing.core.streams import Channel
from pulsing.exceptions import NotSendable
from pulsing.node.answer import not_sendable
from pulsing.node.outbox import PILE
from pulsing.wire.frames import Cancel, Credit, StreamItem
from pulsing.wire.session import STREAM_CREDIT, Request

if TYPE_CHECKING:
    from pulsing.node.link import Link

CREDIT_EVERY = STREAM_CREDIT // 4


class OutgoingStream:
    """Carries the items of a channel of this node to its reader on another."""

    def __init__(self, link: Link, request: Request[Any], channel: Channel) -> None:
        self._link = link
        self._request = request
        self._channel = channel
        self._more: asyncio.Future[None] | None = None
        bounds = link.peer.node.bounds
        self._unused = 0 if bounds is None else STREAM_CREDIT - bounds.stream_items
        """So much of the credit is left as it is."""
        self._together = STREAM_CREDIT
        """So many items go in one frame at most."""

    async def run(self) -> None:
        """Send until the producer or the reader ends it."""
        error: BaseException | None = None
        try:
            while await self._may_go_on():
                self._send(await self._next_items())
        except StopAsyncIteration:
            pass
        except asyncio.CancelledError:
            self._channel.close()
            raise
        except Exception as raised:
            error = raised
        self._channel.close()
        self._link.replies.end_stream(self._request, error)

    def more_credit(self) -> None:
        """The reader has given room for more."""
        self._wake()

    def cancel(self) -> None:
        """The reader has left."""
        self._channel.close()
        self._wake()

    async def _may_go_on(self) -> bool:
        """Wait for credit, and for what is on its way to the reader's node to be taken there."""
        outbox = self._link.outbox
        while (self._request.credit <= self._unused or outbox.waiting > PILE) and not self._channel.closed:
            self._more = asyncio.get_running_loop().create_future()
            if outbox.waiting > PILE:
                outbox.when_smaller(self._wake)
            await self._more
        return not self._channel.closed

    async def _next_items(self) -> tuple[Any, ...]:
        """Whatever is there, at least one item: a frame costs more than the items in it."""
        items = [await self._channel.next()]
        while len(self._channel) and len(items) < min(self._request.credit - self._unused, self._together):
            items.append(await self._channel.next())
        return tuple(items)

    def _send(self, items: tuple[Any, ...]) -> None:
        """Send items, in as many frames as they take: together they may be too large, and one may have no encoding."""
        try:
            self._link.send(StreamItem(self._request.id, items))
        except (NotSendable, ValueError) as error:
            if len(items) == 1:
                raise not_sendable(items[0], error) from error
            half = self._together = len(items) // 2
            self._send(items[:half])
            self._send(items[half:])

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)


class IncomingStream:
    """Feeds a channel of this node with the items of a stream on another one."""

    def __init__(self, link: Link, request: Request[Any]) -> None:
        self._link = link
        self._request = request
        self._read = 0
        self.channel = Channel()
        self.channel.on_read = self._on_read
        self.channel.on_close = self._on_close

    def take(self, items: tuple[Any, ...]) -> None:
        """Add items; the session has seen to it that there was credit for them."""
        for item in items:
            self.channel.put_nowait(item)

    def finish(self, error: BaseException | None) -> None:
        """The producer has ended, or can no longer be reached."""
        self.channel.on_close = None
        self.channel.on_read = None
        self.channel.finish(error)

    def _on_read(self) -> None:
        self._read += 1
        if self._read >= CREDIT_EVERY or not len(self.channel):
            self._link.send(Credit(self._request.id, self._read))
            self._read = 0

    def _on_close(self) -> None:
        self._link.send(Cancel(self._request.id))
