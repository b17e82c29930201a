"""The formats of the command line."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from pulsing.cli.output import Format, cell, fitting, remark, show_object, show_rows

ROWS: list[dict[str, Any]] = [
    {"name": "actors/a", "id": "1:2", "mailbox": 3, "tags": {"team": "x"}},
    {"name": None, "id": "1:3", "mailbox": 0, "tags": {}},
]
COLUMNS = ("name", "mailbox", "tags")


def shown(capsys: pytest.CaptureFixture[str], form: Format) -> str:
    show_rows(ROWS, COLUMNS, form, color=False)
    return capsys.readouterr().out


def test_a_table_has_a_head_and_a_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, Format.table).splitlines()

    assert [line.split() for line in lines] == [
        ["NAME", "MAILBOX", "TAGS"],
        ["actors/a", "3", '{"team":', '"x"}'],
        ["0", "{}"],
    ]


def test_a_table_in_a_pipe_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([{"name": "x" * 500}], ("name",), Format.table, color=False)

    assert "x" * 500 in capsys.readouterr().out


def test_a_table_in_a_pipe_has_no_blanks_behind_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([{"id": 1, "name": "x" * 500}, {"id": 2, "name": "y"}], ("id", "name"), Format.table, color=False)

    assert [line for line in capsys.readouterr().out.splitlines() if line != line.rstrip()] == []


def test_columns_give_way_where_a_terminal_is_narrow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"name": "n" * 40, "id": "0" * 33, "class": "app.Worker", "state": "running", "mailbox": "x" * 20}
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    monkeypatch.setenv("COLUMNS", "60")

    show_rows([row, {**row, "name": None}], tuple(row), Format.table, color=False)

    head, line, nameless = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    assert head.split() == ["NAME", "CLASS", "STATE"]
    name, *others = line.split()
    assert (name.strip("n"), others) == ("…", ["app.Worker", "running"])
    assert 30 < len(name) < 40
    assert nameless.split()[0] == row["id"]


@pytest.mark.parametrize(
    ("room", "left"),
    [
        (120, ["name", "id", "node", "state", "rate"]),
        (80, ["name", "node", "state", "rate"]),
        (60, ["name", "state", "rate"]),
        (50, ["name", "state"]),
        (10, ["name", "state"]),
    ],
)
def test_ids_give_way_before_what_stands_behind_them(room: int, left: list[str]) -> None:
    cells = {"name": ["x" * 300], "id": ["x" * 33], "node": ["x" * 16], "state": ["running"], "rate": ["x" * 8]}
    assert fitting(cells, room) == left


def test_an_id_that_stands_first_stays() -> None:
    assert fitting({"id": ["x" * 30], "peer": ["x" * 30], "state": ["open"]}, 65) == ["id", "peer"]


def test_markup_in_a_value_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([{"name": "[red]a[/red]"}], ("name",), Format.table, color=False)

    assert "[red]a[/red]" in capsys.readouterr().out


def test_csv_holds_the_columns_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, Format.csv) == 'name,mailbox,tags\nactors/a,3,"{""team"": ""x""}"\n,0,{}\n'


@pytest.mark.parametrize("sign", ["=", "+", "-", "@"])
def test_a_text_in_csv_is_nothing_that_a_spreadsheet_evaluates(capsys: pytest.CaptureFixture[str], sign: str) -> None:
    show_rows([{"name": f"{sign}1+1", "lag": -2, "said": "a;=1+1"}], ("name", "lag", "said"), Format.csv, color=False)

    assert capsys.readouterr().out == f'name,lag,said\n\'{sign}1+1,-2,"a;=1+1"\n'


def test_a_row_of_csv_without_a_value_is_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([{"name": None}], ("name",), Format.csv, color=False)

    assert capsys.readouterr().out == 'name\n""\n'


def test_jsonl_holds_whole_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, Format.jsonl).splitlines()[1] == '{"name": null, "id": "1:3", "mailbox": 0, "tags": {}}'


def test_name_falls_back_to_the_id(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, Format.name) == "actors/a\n1:3\n"


def test_an_object_is_a_table_of_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    show_object({"state": "ok", "lag": 2}, Format.table, color=False)

    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["FIELD", "VALUE"],
        ["state", "ok"],
        ["lag", "2"],
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (True, "yes"), (0.123456, "0.1235"), (12345.6, "12,346"), ([1], "[1]"), ("a", "a")]
)
def test_a_value_is_one_short_text(value: Any, text: str) -> None:
    assert cell(value) == text


@pytest.mark.parametrize(("terminal", "written"), [(True, "more\n"), (False, "")])
def test_a_remark_is_for_terminals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool, written: str
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)

    remark("more")

    assert capsys.readouterr() == ("", written)
