"""Which node a command talks to: the one that was named, else the one that runs on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pulsing.admin.run_file import running_nodes, runtime_directory
from pulsing.cli.errors import NOT_ALLOWED, USAGE, CliError

DEFAULT_ENDPOINT = "http://127.0.0.1:8700"

_NETWORK = Path("/proc/net")
_LISTENS = "0A"
_STATE, _USER = 3, 7
_ROOT = 0
"""What a port of a container is published by."""


def find_endpoint(explicit: str | None, environ: Mapping[str, str], network: Path = _NETWORK) -> str:
    """The base URL of the admin plane to ask.

    Args:
        explicit: the one that was named.
        environ: may name one, too.
        network: where the kernel tells who listens at which port, where it does.

    Raises:
        CliError: several nodes run here and none was named, or another user listens where one was looked for.
    """
    named = explicit or environ.get("PULSING_ENDPOINT")
    if named:
        return _without_page(named if "://" in named else f"http://{named}")
    nodes = running_nodes(runtime_directory(environ))
    if len(nodes) > 1:
        listed = "\n".join(f"  {node.url}  {node.name} (process {node.pid})" for node in nodes)
        raise CliError(f"several nodes run here:\n{listed}", hint="name one with --endpoint URL", exit_code=USAGE)
    found = nodes[0].url if nodes else DEFAULT_ENDPOINT
    _check_listener(found, network)
    return found


def _without_page(url: str) -> str:
    """The address of the admin plane in one that was copied from a browser that shows the dashboard."""
    return url.partition("#")[0].rstrip("/").removesuffix("/ui")


def _check_listener(url: str, network: Path) -> None:
    """Refuse to show this user's token to a process of another one, which may wait where a node has been."""
    strangers = _listeners(urlsplit(url).port or 80, network) - {os.geteuid(), _ROOT}
    if strangers:
        raise CliError(
            f"it is another user who listens at {url} (uid {min(strangers)}), and would be shown your token",
            hint="name it with --endpoint URL if that is meant",
            exit_code=NOT_ALLOWED,
        )


def _listeners(port: int, network: Path) -> set[int]:
    """The users whose processes listen at a port, as far as the kernel tells."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            rows = (network / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, rows):
            if fields[_STATE] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(int(fields[_USER]))
    return found


def find_token(token_file: Path | None, environ: Mapping[str, str]) -> str | None:
    """The bearer token of the admin plane: of the file that was named, the environment, or the user's own file.

    Without any the node decides what may be seen.

    Raises:
        CliError: the file that was named cannot be read, or what is there cannot be a token.
    """
    if token_file is None and environ.get("PULSING_ADMIN_TOKEN"):
        return _checked(environ["PULSING_ADMIN_TOKEN"], "PULSING_ADMIN_TOKEN")
    path = token_file or admin_token_path(environ)
    try:
        return _checked(path.read_text(errors="replace").strip(), str(path))
    except OSError as error:
        if token_file is None:
            return None
        raise CliError(f"cannot read the token: {token_file}: {error.strerror}", exit_code=NOT_ALLOWED) from error


def _checked(token: str, where: str) -> str:
    if not (token.isascii() and token.isprintable()):
        raise CliError(f"{where} holds no token: it must be one line of ASCII", exit_code=NOT_ALLOWED)
    return token


def admin_token_path(environ: Mapping[str, str]) -> Path:
    """The user's file with the token of the admin plane."""
    return _config_directory(environ) / "admin.token"


def cluster_token_path(environ: Mapping[str, str]) -> Path:
    """The user's file with the secret by which nodes know each other."""
    return _config_directory(environ) / "cluster.token"


def _config_directory(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CONFIG_HOME")
    return Path(base or Path.home() / ".config") / "pulsing"
