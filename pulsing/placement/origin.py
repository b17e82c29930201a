"""Where a fresh interpreter finds the class of an actor, and how it is brought there.

Like multiprocessing's "spawn": the module of the class is imported. A class of the script itself has the script run
once more under another name, so that only what is outside of `if __name__ == "__main__":` is run.
"""

from __future__ import annotations

import importlib
import runpy
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulsing.core.actor_class import ActorClass
from pulsing.core.classes import actor_class_named
from pulsing.exceptions import PulsingRuntimeError, describe
from pulsing.modules import MAIN, MAIN_AGAIN, module_of


@dataclass(frozen=True, slots=True)
class Origin:
    """How to get at a registered class in a process that has not imported anything."""

    class_name: str
    """As it is registered: `module.Class`."""
    module: str
    script: str = ""
    """The file that runs as `__main__`, where that is the class's module."""
    run_as: str = ""
    """The name behind `python -m`, where the script was started so."""


def origin_of(actor_class: ActorClass[Any]) -> Origin:
    """Tell where another interpreter finds a class.

    Raises:
        PulsingRuntimeError: it cannot, because the class lives in a function or in an interactive session.
    """
    cls, name = actor_class._cls, actor_class._class_name
    if "<locals>" in cls.__qualname__:
        raise PulsingRuntimeError(
            f"{name} is defined inside a function, where another process cannot find it: move it to the top of a module"
        )
    module = module_of(cls)
    if module != MAIN:
        return Origin(name, module)
    main = sys.modules[MAIN]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return Origin(name, module, run_as=spec.name)
    script = getattr(main, "__file__", None)
    if script is None or not Path(script).is_file():
        raise PulsingRuntimeError(
            f"{name} is defined in an interactive session, where another process cannot find it: put it into a module"
        )
    return Origin(name, module, script=str(Path(script).resolve()))


def load(origin: Origin) -> ActorClass[Any]:
    """Import what defines a class, and return the class.

    Raises:
        PulsingRuntimeError: that fails, or does not register the class.
    """
    try:
        _bring_in(origin)
        return actor_class_named(origin.class_name)
    except (Exception, SystemExit) as error:
        hint = "" if origin.module != MAIN else '; its main part belongs under `if __name__ == "__main__":`'
        raise PulsingRuntimeError(
            f"{origin.class_name} cannot be imported by another process ({describe(error)}){hint}"
        ) from error


def _bring_in(origin: Origin) -> None:
    if origin.module != MAIN:
        # The name comes from the process that started this one, by an inherited pipe or the engine, never from a peer.
        importlib.import_module(origin.module)
        return
    script = types.ModuleType(MAIN_AGAIN)
    if origin.run_as:
        content = runpy.run_module(origin.run_as, run_name=MAIN_AGAIN, alter_sys=True)
    else:
        content = runpy.run_path(origin.script, run_name=MAIN_AGAIN)
    script.__dict__.update(content)
    sys.modules[MAIN] = sys.modules[MAIN_AGAIN] = script
