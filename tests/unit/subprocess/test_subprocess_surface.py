from __future__ import annotations

import subprocess as standard
import sys
from pathlib import Path

import pulsing.subprocess as subprocess
from pulsing.config import SystemConfig, config_from
from pulsing.subprocess.policy import policy_of

EXPORTS = {
    "DEVNULL", "PIPE", "STDOUT", "CalledProcessError", "CompletedProcess", "Popen", "ProcessActor", "SubprocessError",
    "TimeoutExpired", "call", "check_call", "check_output", "getoutput", "getstatusoutput", "run",
}  # fmt: skip


def test_the_package_exports_what_the_standard_library_does() -> None:
    assert set(subprocess.__all__) == EXPORTS
    for name in subprocess.__all__:
        assert getattr(subprocess, name) is not None
    for name in ("PIPE", "STDOUT", "DEVNULL", "CalledProcessError", "CompletedProcess", "TimeoutExpired"):
        assert getattr(subprocess, name) is getattr(standard, name)


def test_a_native_program_needs_nothing_of_what_far_ones_need() -> None:
    program = (
        "import sys, pulsing.subprocess as s; s.run(['true'], resources={'num_cpus': 1}); "
        "print([name for name in sys.modules if name.startswith('pulsing.subprocess.')])"
    )
    done = standard.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout == "['pulsing.subprocess.popen']\n"


def test_what_others_may_start_is_a_setting(tmp_path: Path) -> None:
    environment = {
        "PULSING_SUBPROCESS_ALLOW_REMOTE": "ffmpeg, /opt/render",
        "PULSING_SUBPROCESS_BASE_PATH": str(tmp_path),
        "PULSING_SUBPROCESS_VARIABLES": "TZ",
    }

    policy = policy_of(config_from(environment), secure=True)

    assert (policy.programs, policy.base, policy.variables) == (("ffmpeg", "/opt/render"), tmp_path, ("TZ",))
    assert config_from(environment, allow_remote_subprocess=("x",)).allow_remote_subprocess == ("x",)


def test_by_default_others_may_start_nothing() -> None:
    for config in (SystemConfig(), config_from({})):
        policy = policy_of(config, secure=True)
        assert (policy.programs, policy.base) == ((), Path.cwd())
        assert "LC_*" in policy.variables
