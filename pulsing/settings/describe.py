"""The table of settings for readers: as a file to begin with, as a page, and as a JSON Schema.

`python -m pulsing.settings.describe` prints the page.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from pulsing.settings.option import Option
from pulsing.settings.table import OPTIONS, OTHER_VARIABLES, SECTIONS


def as_toml() -> str:
    """A file with every setting, explained and commented out."""
    lines = ["# Settings of Pulsing. What begins with `# key =` holds without being written here."]
    for title, options in SECTIONS.items():
        lines += ["", f"# {title}"]
        for option in options:
            note = f" Unset: {option.unset}." if option.default is None else ""
            lines += [f"# {option.doc}{note}", f"# {option.key} = {_toml_value(option)}"]
    return "\n".join(lines) + "\n"


def as_page() -> str:
    """The page of the documentation, in Markdown."""
    return "\n".join(_page()) + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of a file."""
    root: dict[str, Any] = _table()
    for option in OPTIONS:
        *sections, name = option.key.split(".")
        table = root
        for section in sections:
            table = table["properties"].setdefault(section, _table())
        table["properties"][name] = {**option.kind.schema, "description": option.doc}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root}


def _table() -> dict[str, Any]:
    return {"type": "object", "properties": {}, "additionalProperties": False}


def _page() -> Iterator[str]:
    yield from _INTRODUCTION.splitlines()
    for title, options in SECTIONS.items():
        yield from ("", f"## {title}", "", "| key | variable | value | default | |", "|---|---|---|---|---|")
        for option in options:
            variable = f"`{option.env}`" if option.env else "none: only a file"
            yield f"| `{option.key}` | {variable} | {option.kind.name} | {_default(option)} | {option.doc} |"
    yield from ("", "## Other variables", "", "| variable | meaning |", "|---|---|")
    yield from (f"| `{name}` | {meaning} |" for name, meaning in OTHER_VARIABLES.items())


def _default(option: Option) -> str:
    if option.default is None:
        return option.unset
    return f"`{_toml_value(option)}`" if option.default not in ("", ()) else "none"


def _toml_value(option: Option) -> str:
    # Texts, numbers and lists of either are written alike in JSON and TOML.
    default = "" if option.default is None and option.kind.schema.get("type") == "string" else option.default
    if default is None:
        return {"array": "[]", "number": "10.0"}.get(str(option.kind.schema.get("type")), "false")
    return json.dumps(default, ensure_ascii=False)


_INTRODUCTION = """\
# Configuration

Each setting has one value, from the first of these that has one:

1. an argument of `pul.init(...)` or `pul.actor_system(...)`;
2. a flag of `pulsing serve` or `pulsing actor`: those that `--help` lists, and `--set KEY=VALUE` for every other;
3. its environment variable; lists have commas between their words;
4. the file of settings: the first there is of the one that `PULSING_CONFIG` or `--config` names, `pulsing.toml` in the
   current folder, `pyproject.toml` there with a table `[tool.pulsing]`, and `~/.config/pulsing/config.toml`. Files are
   not put together;
5. its default.

A setting that does not exist and a value of the wrong kind are errors that name the place and the nearest setting.
Where to listen and whom to join (`addr` to `join_timeout` below) programs say by arguments; `pulsing serve` and
`pulsing actor` take these from file and environment as well.

```toml
# pulsing.toml
[admin]
read_only = true
allowed_hosts = ["admin.example.org"]

[metrics]
max_classes = 100
```

`pulsing config show` lists every value with its source, `pulsing config validate` checks a file, `pulsing config init`
writes one with every setting explained, and `pulsing config schema` prints a JSON Schema for editors.
"""


if __name__ == "__main__":
    sys.stdout.write(as_page())
