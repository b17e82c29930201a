"""Ranks of a real torchrun find each other: two of them on the CPU, with gloo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engines.ray_cluster import ROOT

pytestmark = [pytest.mark.shared_resources, pytest.mark.timeout(150)]


def torchrun(mode: str, folder: Path, *options: str, without: str = "") -> dict[str, Any]:
    """Run two ranks, `without` a method or a variable; returns what each wrote, by restart and rank."""
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"),
        *("--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--rdzv-id=trial", *options),
        *("-m", "tests.engines.torch_rank", mode, str(folder), *without.split()),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return {file.stem: json.loads(file.read_text()) for file in folder.glob("*.json")}


def seen_by(rank: int) -> dict[str, Any]:
    return {"greetings": [f"0 greets {rank}", f"1 greets {rank}"], "members": 2}


def test_two_ranks_form_one_cluster_and_call_each_other(tmp_path: Path) -> None:
    assert torchrun("plain", tmp_path) == {"0-0": seen_by(0), "0-1": seen_by(1)}


NO_STORE = "get_group_store MASTER_PORT"
WAYS = pytest.mark.parametrize(
    "without", ["", "get_group_store", NO_STORE], ids=["store_of_the_group", "store_of_torchrun", "broadcast"]
)


@WAYS
def test_after_an_elastic_restart_the_ranks_meet_anew(tmp_path: Path, without: str) -> None:
    lives = torchrun("restart", tmp_path, "--max-restarts=1", without=without)

    assert lives == {f"{life}-{rank}": seen_by(rank) for life in (0, 1) for rank in (0, 1)}


@pytest.mark.parametrize("without", ["", NO_STORE], ids=["store", "broadcast"])
def test_a_rank_zero_that_does_not_come_is_named_at_the_deadline(tmp_path: Path, without: str) -> None:
    [told] = torchrun("absent", tmp_path, without=without).values()

    assert told["error"] == "JoinTimeout"
    assert "rank 0" in told["text"]
    assert "did not call init_inside_torchrun" in told["text"]


def test_nobody_waits_for_a_rank_zero_that_cannot_start(tmp_path: Path) -> None:
    told = torchrun("refused", tmp_path, without=NO_STORE)

    print(told)
    assert told["0-1"]["error"] == "JoinTimeout"
    assert "rank 0" in told["0-1"]["text"] and "it could not start" in told["0-1"]["text"]


def test_without_a_process_group_the_error_says_what_to_do() -> None:
    script = "import pulsing as pul; pul.init_inside_torchrun()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)

    assert (
        "RuntimeError: torch.distributed is not initialized, call torch.distributed.init_process_group()" in done.stderr
    )
