"""The command that looks for what keeps nodes from working here, and says how to mend it."""

from __future__ import annotations

import os
import resource
import socket
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer

from pulsing.admin.run_file import running_nodes, runtime_directory
from pulsing.cli.config import File, check_settings, read_settings
from pulsing.cli.connection import NoColor, Output, colored
from pulsing.cli.endpoint import admin_token_path, cluster_token_path
from pulsing.cli.errors import FAILED, CliError
from pulsing.cli.output import Format, show_rows, write_line
from pulsing.settings import Settings

_CONNECT_S = 2.0
_FILES_WANTED = 4096
_ADMIN_PORT = 8700


@dataclass(frozen=True)
class Finding:
    """What was looked at, and what was seen."""

    name: str
    status: Literal["ok", "warn", "bad"]
    detail: str
    fix: str = ""


def doctor(file: File = None, output: Output = Format.table, no_color: NoColor = False) -> None:
    """Look for what keeps nodes from working on this machine, and say how to mend it; exit 1 when something is bad."""
    findings = list(examine(file, os.environ))
    if output is Format.table:
        for finding in findings:
            write_line(f"{finding.status:<5} {finding.name:<16} {finding.detail}".rstrip())
            if finding.fix:
                write_line(f"{'':<5} {'':<16} fix: {finding.fix}")
    else:
        show_rows([vars(one) for one in findings], ("name", "status", "detail", "fix"), output, color=colored(no_color))
    if any(finding.status == "bad" for finding in findings):
        raise typer.Exit(FAILED)


def examine(file: Path | None, environ: Mapping[str, str]) -> Iterator[Finding]:
    """All that is looked at, one after the other."""
    try:
        settings = read_settings(file)
        check_settings(settings)
    except CliError as error:
        yield Finding("settings", "bad", error.detail, "correct it; pulsing config validate checks again")
        return
    yield Finding("settings", "ok", f"{sum(one.source != 'default' for one in settings.values())} set")
    yield rights("admin token", admin_token_path(environ))
    yield rights("cluster token", cluster_token_path(environ))
    yield from ports(settings)
    yield from (reach(seed) for seed in _contacts(settings))
    yield open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    yield running(environ)


def rights(name: str, path: Path) -> Finding:
    """Whether a file with a secret is there, and nobody else may read it."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return Finding(name, "ok", f"{path} is made by the first node")
    except OSError as error:
        return Finding(name, "bad", f"{path}: {error.strerror}", f"make {path.parent} yours: chown -R $USER")
    if mode & 0o077:
        return Finding(name, "bad", f"others may read {path} (mode {mode:o})", f"chmod 600 {path}")
    return Finding(name, "ok", str(path))


def ports(settings: Settings) -> Iterator[Finding]:
    """Whether the addresses that a node would take are free."""
    if addr := settings["addr"].value:
        yield port("node address", addr, "bad", "end what listens there, or choose another: --addr")
    if addr := settings["admin.addr"].value:
        yield port("admin address", addr, "bad", "end what listens there, or choose another: --admin-addr")
    else:
        yield port("admin address", f"127.0.0.1:{_ADMIN_PORT}", "warn", "none needed: the next free port is taken")


def port(name: str, addr: str, otherwise: Literal["warn", "bad"], fix: str) -> Finding:
    """Whether one address is free."""
    try:
        host, number = _split(addr)
        with socket.create_server((host, number), family=_family(host)):
            return Finding(name, "ok", f"{addr} is free")
    except (OSError, ValueError) as error:
        reason, *_ = str(getattr(error, "strerror", None) or error).partition(" (while")
        return Finding(name, otherwise, f"{addr}: {reason}", fix)


def reach(seed: str) -> Finding:
    """Whether something answers at the address of a seed."""
    name = "seed"
    try:
        host, number = _split(seed.removeprefix("dns://"))
        with socket.create_connection((host, number), timeout=_CONNECT_S):
            return Finding(name, "ok", f"{seed} answers")
    except (OSError, ValueError) as error:
        detail = getattr(error, "strerror", None) or str(error)
        return Finding(name, "warn", f"{seed}: {detail}", "start it, or mend the way there; it is tried again for ever")


def open_files(limit: int) -> Finding:
    """Whether a process may have as many files open as a busy node has links, logs and stores."""
    name = "open files"
    if limit != resource.RLIM_INFINITY and limit < _FILES_WANTED:
        return Finding(name, "warn", f"{limit} at most", f"ulimit -n {_FILES_WANTED}, or LimitNOFILE= of its service")
    return Finding(name, "ok", "no limit" if limit == resource.RLIM_INFINITY else f"{limit:,} at most")


def running(environ: Mapping[str, str]) -> Finding:
    """Which nodes run here."""
    nodes = running_nodes(runtime_directory(environ))
    return Finding("running nodes", "ok", ", ".join(f"{node.name} {node.url}" for node in nodes) or "none")


def _contacts(settings: Settings) -> tuple[str, ...]:
    head = settings["head_addr"].value
    return (*settings["seeds"].value, *((head,) if head else ()))


def _split(addr: str) -> tuple[str, int]:
    host, found, number = addr.rpartition(":")
    if not found or not number.isdecimal():
        raise ValueError("an address is host:port")
    return host.strip("[]"), int(number)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
