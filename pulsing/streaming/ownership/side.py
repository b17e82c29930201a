"""The side of a partition that a node is on, from what its membership says."""

from __future__ import annotations

from collections.abc import Callable, Set

from pulsing.cluster.majority import Majority
from pulsing.core.seams import MemberView
from pulsing.core.system import System


class Side:
    """Whether this node's side goes on.

    Args:
        inner: the node.
        changed: called when that has changed.
    """

    def __init__(self, inner: System, changed: Callable[[], None]) -> None:
        self._inner = inner
        self._changed = changed
        self._majority = Majority(inner.node_id.id, inner.now())
        self.goes_on = True
        inner.member_listeners.append(self._look_again)
        self.look()

    def look(self) -> bool:
        """Look at the members as they are now; returns whether this side goes on."""
        members = [member for member in self._inner.members_view() if member.takes_work]
        present = {member.node_id.id for member in members if member.status != "Dead"} | {self._inner.node_id.id}
        self._majority.see(present, {member.node_id.id for member in members if _may_be_cut_off(member)}, self._now())
        return self._note()

    def may_take_over(self) -> bool:
        """Whether this side goes on without its suspects: a minority sees the others die one after the other."""
        members = self._inner.members_view()
        answering = {member.node_id.id for member in members if member.status in ("Alive", "Leaving")}
        return self.look() and self._majority.holds_with(answering | {self._inner.node_id.id})

    def goes_on_with(self, members: Set[int]) -> bool:
        """Whether these members would do for this side to go on."""
        return self.look() and self._majority.holds_with(members)

    def electorate(self) -> list[int]:
        """By whose majority this node decides, for another one to learn."""
        return sorted(self._majority.electorate(self._now()))

    def learn(self, electorate: Set[int]) -> None:
        """Take over by whose majority another node decides, if this one came later."""
        self._majority.learn(electorate)
        # The other one may not have heard yet who of them has ended, and no later event here need tell.
        self.look()

    def _look_again(self) -> None:
        self.look()

    def _note(self) -> bool:
        before, self.goes_on = self.goes_on, self._majority.holds
        if before != self.goes_on:
            self._changed()
        return self.goes_on

    def _now(self) -> float:
        return self._inner.now()


def _may_be_cut_off(member: MemberView) -> bool:
    return member.status == "Dead" and not member.ended
