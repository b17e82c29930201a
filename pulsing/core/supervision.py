"""Whether and when a failed actor is started again. Knows nothing of tasks or clocks."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from numbers import Real
from typing import Any

NEVER = "never"
ON_FAILURE = "on-failure"
ALWAYS = "always"

# The last fifth of each delay is drawn, so that actors that fell together do not rise together.
JITTER = 0.2

_FIELD_OF_OPTION = {
    "restart_policy": "policy",
    "max_restarts": "max_restarts",
    "min_backoff": "min_backoff",
    "max_backoff": "max_backoff",
    "restart_window": "window",
}


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """The rule for one actor.

    Args:
        policy: "never", "on-failure" (also "on_failure"), or "always", which also restarts an actor that ended by
            itself.
        max_restarts: how many restarts are granted within `window`.
        min_backoff, max_backoff: bounds in seconds of the delay, which doubles from the first to the second.
        window: seconds over which restarts are counted.

    Raises:
        ValueError: the policy is unknown, or a number makes no sense.
    """

    policy: str = NEVER
    max_restarts: int = 3
    min_backoff: float = 0.1
    max_backoff: float = 30.0
    window: float = 60.0

    def __post_init__(self) -> None:
        if self.policy == "on_failure":
            object.__setattr__(self, "policy", ON_FAILURE)
        if self.policy not in (NEVER, ON_FAILURE, ALWAYS):
            raise ValueError(f"restart_policy is 'never', 'on-failure' or 'always', not {self.policy!r}")
        if isinstance(self.max_restarts, bool) or not isinstance(self.max_restarts, int) or self.max_restarts < 0:
            raise ValueError(f"max_restarts is a whole number, 0 or more, and not {self.max_restarts!r}")
        if not _is_number(self.min_backoff, self.max_backoff) or not 0 <= self.min_backoff <= self.max_backoff < inf:
            raise ValueError(
                f"backoff runs from min_backoff to max_backoff, got {self.min_backoff!r} to {self.max_backoff!r}"
            )
        if not _is_number(self.window) or not self.window > 0:
            raise ValueError(f"restart_window must be positive, got {self.window!r}")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> RestartPolicy:
        """Read the policy out of the options of a class; those that say nothing of restarts are not looked at."""
        return cls(**{field: options[name] for name, field in _FIELD_OF_OPTION.items() if name in options})

    @property
    def restarts(self) -> bool:
        """Whether there is any case in which this policy restarts."""
        return self.policy != NEVER


def _is_number(*values: Any) -> bool:
    return all(isinstance(value, Real) and not isinstance(value, bool) for value in values)


class Supervisor:
    """Applies one actor's policy to its failures."""

    __slots__ = ("_random", "_restarts", "policy")

    def __init__(self, policy: RestartPolicy, random: random.Random) -> None:
        self.policy = policy
        self._random = random
        self._restarts: deque[float] = deque()

    def after_failure(self, now: float) -> float | None:
        """Seconds to wait before the restart that this failure earns, or None if it earns none."""
        return self._grant(now) if self.policy.restarts else None

    def after_own_end(self, now: float) -> float | None:
        """The same for an actor that ended by itself."""
        return self._grant(now) if self.policy.policy == ALWAYS else None

    def restarts_left(self, now: float) -> int:
        """How many restarts the window still grants."""
        self._forget_old(now)
        return max(0, self.policy.max_restarts - len(self._restarts)) if self.policy.restarts else 0

    def _grant(self, now: float) -> float | None:
        self._forget_old(now)
        earlier = len(self._restarts)
        if earlier >= self.policy.max_restarts:
            return None
        self._restarts.append(now)
        # The exponent is bounded: 2.0**1024 overflows, and max_backoff is reached long before.
        delay = min(self.policy.max_backoff, self.policy.min_backoff * 2.0 ** min(earlier, 64))
        return delay * (1 - JITTER * self._random.random())

    def _forget_old(self, now: float) -> None:
        while self._restarts and now - self._restarts[0] >= self.policy.window:
            self._restarts.popleft()
