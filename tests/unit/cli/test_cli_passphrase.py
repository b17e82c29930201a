"""`pulsing gen-passphrase`."""

from __future__ import annotations

import re
import sys

import pytest

from pulsing.cli import main


@pytest.mark.parametrize(("words", "count"), [((), 6), (("--words", "8"), 8)])
def test_words_are_printed_and_nothing_else(
    words: tuple[str, ...], count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pulsing", "gen-passphrase", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert not ended.value.code
    assert re.fullmatch(rf"[a-z]{{5}}(-[a-z]{{5}}){{{count - 1}}}\n", printed.out)
    assert not printed.err
