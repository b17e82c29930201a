"""Passphrases that nobody guesses: words that can be spoken and typed, made up from random bits.

Each word is consonant, vowel, consonant, vowel, consonant, and stands for 16 bits; no list of words has to be shipped.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

WORDS = 6
BITS_OF_A_WORD = 16

_CONSONANTS = "bdfghjklmnprstvz"
_VOWELS = "aiou"


def new_passphrase(words: int = WORDS, random_bits: Callable[[int], int] = secrets.randbits) -> str:
    """Words with dashes between them; six have 96 bits.

    Args:
        words: how many.
        random_bits: the source of chance.

    Raises:
        ValueError: no word at all was asked for.
    """
    if words < 1:
        raise ValueError(f"a passphrase has one word at least, not {words}")
    return "-".join(_word(random_bits(BITS_OF_A_WORD)) for _ in range(words))


def _word(bits: int) -> str:
    letters = []
    for alphabet in (_CONSONANTS, _VOWELS, _CONSONANTS, _VOWELS, _CONSONANTS):
        bits, place = divmod(bits, len(alphabet))
        letters.append(alphabet[place])
    return "".join(letters)
