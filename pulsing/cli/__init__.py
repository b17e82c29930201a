"""The command line: `pulsing`."""

from __future__ import annotations

import contextlib
import io
import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments of the process name."""
    from pulsing.cli.app import app
    from pulsing.cli.completion import prepare_answer
    from pulsing.cli.errors import FAILED, INTERRUPTED, CliError
    from pulsing.cli.output import complain

    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of actors may be in any script; a locale that lacks it shows escapes.
        sys.stdout.reconfigure(errors="backslashreplace")
    prepare_answer()
    try:
        try:
            # However it was started: shells complete by this name, and usage shows it.
            app(prog_name="pulsing")
        finally:
            sys.stdout.flush()
    except CliError as error:
        complain(f"pulsing: {error.detail}" + (f"\nhint: {error.hint}" if error.hint else ""))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has seen enough; writing the rest would only say so again.
        sys.stderr.close()
    except OSError as error:
        complain(f"pulsing: {error}")
        _forget_output()
        sys.exit(FAILED)


def _forget_output() -> None:
    """Send what standard output still holds nowhere, or the interpreter would fail at it once more as it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError):
        os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
