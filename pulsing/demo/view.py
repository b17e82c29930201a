"""How the demo looks on a terminal, and in a log where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

# Enough lines to see it move, few enough to read afterwards.
_LINES_PER_PASS = 20


class View:
    """Lines, and below them a bar where the output is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: _Bar | _Lines = _Bar(console) if console.is_terminal else _Lines(console)

    def say(self, text: str) -> None:
        """Show a line. It is not wrapped, so that a URL in it can be followed."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show_progress(self, done: int, known: int, skipped: int) -> None:
        """Show how many of the known files are done."""
        self._progress.show(done, known, skipped)

    def show_summary(self, summary: Mapping[str, Any], lost_nodes: Sequence[int]) -> None:
        """Show the table of the results."""
        self.close()
        self._console.print(summary_table(summary, lost_nodes))

    def close(self) -> None:
        """Leave the terminal as it was. May be called twice."""
        self._progress.close()


def summary_table(summary: Mapping[str, Any], lost_nodes: Sequence[int]) -> Table:
    """The results as a table of two columns."""
    title = "What the agents found"
    # A title wider than its table would be broken into lines.
    table = Table(title=title, min_width=len(title), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name in ("files", "lines", "words", "definitions"):
        table.add_row(name, f"{summary[name]:,}")
    table.add_section()
    for identifier, uses in summary["identifiers"]:
        table.add_row(identifier, f"{uses:,}")
    table.add_section()
    for analyst, files in sorted(summary["by_analyst"].items()):
        table.add_row(f"by {analyst}", f"{files:,}")
    for reason, files in sorted(summary["skipped"].items()):
        table.add_row(f"skipped: {reason}", f"{files:,}")
    if summary["put_again"]:
        table.add_row("put again", f"{summary['put_again']:,}")
    for number in lost_nodes:
        table.add_row("died", f"node {number}")
    return table


class _Bar:
    """A bar that redraws itself."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
        )
        self._task = self._progress.add_task("analysed", total=None)

    def show(self, done: int, known: int, skipped: int) -> None:
        self._progress.start()
        self._progress.update(self._task, completed=done + skipped, total=known)

    def close(self) -> None:
        self._progress.stop()


class _Lines:
    """One line at each step that is worth one."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._step = 0

    def show(self, done: int, known: int, skipped: int) -> None:
        step = _LINES_PER_PASS * (done + skipped) // max(known, 1)
        if step != self._step:
            self._step = step
            self._console.print(
                f"{done:,} of {known:,} files analysed, {skipped:,} skipped", highlight=False, soft_wrap=True
            )

    def close(self) -> None:
        pass
