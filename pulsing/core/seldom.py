"""What may happen very often, and is told at most once in a while."""

from __future__ import annotations

from pulsing.clock import Clock

EVERY_S = 10.0
SUBJECTS_KEPT = 1_000


class Seldom:
    """Says when it is time to tell of a subject again, and how often it has come up.

    Args:
        clock: which time counts.
        every_s: seconds between two tellings of one subject.
    """

    def __init__(self, clock: Clock, every_s: float = EVERY_S) -> None:
        self._clock = clock
        self._every_s = every_s
        self._subjects: dict[str, tuple[float, int]] = {}
        """When each subject was told of, and how often it has come up since."""

    def due(self, subject: str) -> int:
        """Note that a subject has come up.

        Returns:
            0 where nothing is to be told now; else how often it has come up since it was told of, this time included.
        """
        now = self._clock.monotonic()
        told = self._subjects.get(subject)
        if told is not None and now - told[0] < self._every_s:
            self._subjects[subject] = told[0], told[1] + 1
            return 0
        if told is None and len(self._subjects) >= SUBJECTS_KEPT:
            self._subjects.clear()
        self._subjects[subject] = now, 0
        return 1 if told is None else told[1] + 1
