"""Which node a command talks to: the one that was named, else the one that runs on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pulsing.admin.run_file import running_nodes, runtime_directory
from pulsing.cli.errors import NOT_ALLOWED, USAGE, CliError

DEFAULT_ENDPOINT = "http://127.0.0.1:8700"


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
