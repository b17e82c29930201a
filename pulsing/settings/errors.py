"""What is said when a setting cannot be what it was set to."""

from __future__ import annotations

from collections.abc import Iterable


class SettingError(ValueError):
    """A setting is unknown, or its value is of the wrong kind.

    Raised while settings are read, before anything is opened. The sentence names where the setting was made: the
    variable, the file or the flag; a value that may be a secret is not repeated.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word, with the nearest known one; nothing if none is near."""
    near = nearest(word, known)
    return f"; did you mean {near}?" if near else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like this one, None if none is."""
    # Only a mistake needs it.
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(known), n=1, cutoff=0.75)), None)
