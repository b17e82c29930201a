"""The acknowledgements of one message: who has answered, and when nothing more has to be waited for."""

from __future__ import annotations

import asyncio

from pulsing.streaming.topics.subscriber import Subscriber


class Acks:
    """The acknowledgements of one message.

    Args:
        decided: resolved when nothing more has to be waited for.
        targets: who was asked.
        first_is_enough: whether one acknowledgement decides.
    """

    __slots__ = ("_first_is_enough", "_open", "answers", "decided")

    def __init__(self, decided: asyncio.Future[None], targets: list[Subscriber], first_is_enough: bool) -> None:
        self.decided = decided
        self.answers: dict[str, bool | None] = dict.fromkeys([subscriber.id for subscriber in targets])
        self._open = len(targets)
        self._first_is_enough = first_is_enough

    def settle(self, subscriber_id: str, acknowledged: bool) -> bool:
        """Note an answer; False if there was one before."""
        if self.answers[subscriber_id] is not None:
            return False
        self.answers[subscriber_id] = acknowledged
        self._open -= 1
        if not self._open or (acknowledged and self._first_is_enough):
            self.decide()
        return True

    def decide(self) -> None:
        """Wait no more."""
        if not self.decided.done():
            self.decided.set_result(None)

    @property
    def acknowledged(self) -> bool:
        """Whether anybody has acknowledged."""
        return any(self.answers.values())

    @property
    def refused(self) -> list[str]:
        """Who has answered without acknowledging."""
        return [name for name, answer in self.answers.items() if answer is False]
