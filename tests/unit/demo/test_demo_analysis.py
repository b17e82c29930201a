"""Numbers about texts."""

from __future__ import annotations

from pulsing.demo.analysis import Finding, Totals, analyse

SOURCE = """\
import asyncio

class Greeter:
    async def greet(self, name):
        return name + name
"""


def test_lines_words_and_definitions_are_counted() -> None:
    finding = analyse(SOURCE)

    assert (finding.lines, finding.words, finding.definitions) == (5, 12, 2)


def test_identifiers_leave_out_keywords_and_short_names() -> None:
    assert analyse("for x in items: items.append(return_value)").identifiers == {
        "items": 2,
        "append": 1,
        "return_value": 1,
    }


def test_definitions_of_other_languages_count() -> None:
    assert analyse("export function f() {}\npub fn g() {}\nstruct Point\nnot a def x\n").definitions == 3


def test_an_empty_text_has_nothing() -> None:
    assert analyse("") == Finding(lines=0, words=0, definitions=0, identifiers={})


def test_a_finding_survives_being_published() -> None:
    finding = analyse(SOURCE)

    assert Finding.from_dict({"path": "greet.py", **finding.to_dict()}) == finding


def test_totals_add_up_and_name_the_most_used_first() -> None:
    totals = Totals()
    totals.add(analyse("beta beta alpha"))
    totals.add(analyse("alpha gamma\n"))

    assert totals.summary(top=2) == {
        "files": 2,
        "lines": 2,
        "words": 5,
        "definitions": 0,
        "identifiers": [["alpha", 2], ["beta", 2]],
    }
