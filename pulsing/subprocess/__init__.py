"""The standard library's `subprocess`, for this machine and for every node of the cluster.

```python
import pulsing.subprocess as subprocess

print(subprocess.run(["uname", "-n"], capture_output=True, text=True).stdout)
print(subprocess.run(["uname", "-n"], capture_output=True, text=True, resources={"num_cpus": 1}).stdout)
```

The first runs here, as ever. With `USE_POLSING_SUBPROCESS=1` the second runs on the first node that has the processor,
as far as that node allows it.
"""

from __future__ import annotations

from subprocess import DEVNULL, PIPE, STDOUT, CalledProcessError, CompletedProcess, SubprocessError, TimeoutExpired
from typing import TYPE_CHECKING, Any

from pulsing.subprocess.popen import Popen, call, check_call, check_output, getoutput, getstatusoutput, run

if TYPE_CHECKING:
    from pulsing.subprocess.process import ProcessActor as ProcessActor

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "CalledProcessError",
    "CompletedProcess",
    "Popen",
    "ProcessActor",
    "SubprocessError",
    "TimeoutExpired",
    "call",
    "check_call",
    "check_output",
    "getoutput",
    "getstatusoutput",
    "run",
]


def __getattr__(name: str) -> Any:
    # Programs that use the native part alone do without actors.
    if name == "ProcessActor":
        from pulsing.subprocess.process import ProcessActor

        return ProcessActor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
