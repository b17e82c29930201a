"""The command line: `pulsing`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments of the process name."""
    from pulsing.cli.app import app
    from pulsing.cli.completion import prepare_answer
    from pulsing.cli.errors import INTERRUPTED, CliError
    from pulsing.cli.output import complain

    prepare_answer()
    try:
        # However it was started: shells complete by this name, and usage shows it.
        app(prog_name="pulsing")
    except CliError as error:
        complain(f"pulsing: {error.detail}" + (f"\nhint: {error.hint}" if error.hint else ""))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has seen enough; writing the rest would only say so again.
        sys.stderr.close()
