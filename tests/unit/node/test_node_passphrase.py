"""Passphrases out of random bits."""

from __future__ import annotations

import logging

import pytest

from pulsing.node.credentials import estimated_bits, find_credentials
from pulsing.node.passphrase import BITS_OF_A_WORD, new_passphrase


def test_every_word_stands_for_other_bits() -> None:
    words = {new_passphrase(1, lambda _, bits=bits: bits) for bits in range(1 << BITS_OF_A_WORD)}  # type: ignore[misc]
    assert len(words) == 1 << BITS_OF_A_WORD
    assert all(word.isascii() and word.islower() and len(word) == 5 for word in words)


def test_six_words_are_different_each_time_and_taken_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    made = {new_passphrase() for _ in range(100)}
    assert len(made) == 100
    with caplog.at_level(logging.WARNING):
        for phrase in made:
            assert phrase.count("-") == 5
            assert 50 < estimated_bits(phrase) <= 6 * BITS_OF_A_WORD
            find_credentials(passphrase=phrase, environ={})
    assert not caplog.records


def test_no_words_are_no_passphrase() -> None:
    with pytest.raises(ValueError, match="one word"):
        new_passphrase(0)
