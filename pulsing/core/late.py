"""Calls that would be answered too late: they are not run, and their callers learn so at once.

Messages wait in the order in which they came. If each could wait until its time is over, an actor that is asked for
more than it can do would get to nothing but calls with hardly any time left, and would do next to nothing that anybody
still waits for.
"""

from __future__ import annotations

from pulsing.core.envelope import Envelope
from pulsing.exceptions import Overloaded

LONG_WAIT_S = 0.1
"""A message that has waited for less is not looked at."""
MARGIN = 1.5
"""A call has enough time left if that is so many times what its method usually takes."""
WAY_BACK = 0.02
"""Part of the time granted by a caller on another node that is kept for the answer's way."""
WAY_BACK_AT_MOST_S = 1.0
"""Most seconds that are kept for it."""


def comes_too_late(envelope: Envelope, now: float, usual: float) -> bool:
    """Whether a call that has waited here for most of its time would not be answered in the rest.

    Args:
        envelope: a message that could be run now.
        now: seconds on the clock of its deadline.
        usual: seconds that its method takes; a caller that never granted enough is not judged by them.
    """
    timeout, deadline = envelope.timeout, envelope.deadline
    if timeout is None or deadline is None or 2 * max(deadline - now, usual) > timeout:
        return False
    way_back = min(WAY_BACK * timeout, WAY_BACK_AT_MOST_S) if envelope.size else 0.0
    return deadline - now < MARGIN * usual + way_back


def waited_too_long(envelope: Envelope) -> Overloaded:
    """The error of a call that is not run because it would be answered too late."""
    method = envelope.method or "receive"
    return Overloaded(f"wait for {method} of {envelope.target}, in seconds,", envelope.timeout or 0.0)
