"""Which node a command talks to: the one that was named, else the one that runs on this machine."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulsing.cli.errors import NOT_ALLOWED, USAGE, CliError

DEFAULT_ENDPOINT = "http://127.0.0.1:8700"


@dataclass(frozen=True)
class RunningNode:
    """What a node on this machine wrote about itself."""

    pid: int
    url: str
    name: str


def find_endpoint(explicit: str | None, environ: Mapping[str, str]) -> str:
    """The base URL of the admin plane to ask.

    Raises:
        CliError: several nodes run here and none was named.
    """
    named = explicit or environ.get("PULSING_ENDPOINT")
    if named:
        return named.rstrip("/") if "://" in named else f"http://{named.rstrip('/')}"
    nodes = running_nodes(runtime_directory(environ))
    if len(nodes) > 1:
        listed = "\n".join(f"  {node.url}  {node.name} (process {node.pid})" for node in nodes)
        raise CliError(f"several nodes run here:\n{listed}", hint="name one with --endpoint URL", exit_code=USAGE)
    return nodes[0].url if nodes else DEFAULT_ENDPOINT


def runtime_directory(environ: Mapping[str, str]) -> Path:
    """Where the nodes of this user leave their run files."""
    base = environ.get("XDG_RUNTIME_DIR")
    return Path(base) / "pulsing" if base else Path(tempfile.gettempdir()) / f"pulsing-{os.getuid()}"


def running_nodes(directory: Path) -> list[RunningNode]:
    """The nodes whose run file is there and whose process still lives, oldest process id first."""
    nodes = [_read(path) for path in directory.glob("*.json")] if directory.is_dir() else []
    return sorted((node for node in nodes if node is not None and _lives(node.pid)), key=lambda node: node.pid)


def find_token(token_file: Path | None, environ: Mapping[str, str]) -> str | None:
    """The bearer token of the admin plane: of the file that was named, the environment, or the user's own file.

    Without any the node decides what may be seen.

    Raises:
        CliError: the file that was named cannot be read.
    """
    if token_file is None and environ.get("PULSING_ADMIN_TOKEN"):
        return environ["PULSING_ADMIN_TOKEN"]
    try:
        return (token_file or admin_token_path(environ)).read_text().strip()
    except OSError as error:
        if token_file is None:
            return None
        raise CliError(f"cannot read the token: {token_file}: {error.strerror}", exit_code=NOT_ALLOWED) from error


def admin_token_path(environ: Mapping[str, str]) -> Path:
    """The user's file with the token of the admin plane."""
    return _config_directory(environ) / "admin.token"


def cluster_token_path(environ: Mapping[str, str]) -> Path:
    """The user's file with the secret by which nodes know each other."""
    return _config_directory(environ) / "cluster.token"


def _config_directory(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CONFIG_HOME")
    return Path(base or Path.home() / ".config") / "pulsing"


def _read(path: Path) -> RunningNode | None:
    try:
        fields: dict[str, Any] = json.loads(path.read_text())
        return RunningNode(int(fields["pid"]), str(fields["url"]), str(fields.get("name", "")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
