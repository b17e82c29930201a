from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pulsing.subprocess.ledger import Ledger, Machine, check_needs


def test_what_is_taken_is_not_there_for_others_until_it_is_given_back() -> None:
    ledger = Ledger({"num_cpus": 2.0, "memory": 100.0})
    first = ledger.take({"num_cpus": 1.5})
    assert first is not None
    assert ledger.take({"num_cpus": 1.0}) is None
    assert ledger.take({"num_cpus": 0.5, "memory": 100}) is not None

    ledger.give_back(first)

    assert ledger.take({"num_cpus": 1.5}) is not None


def test_what_exceeds_the_machine_never_fits() -> None:
    ledger = Ledger({"num_cpus": 2.0})

    assert ledger.fits_ever({"num_cpus": 2})
    assert not ledger.fits_ever({"num_cpus": 2.1})
    assert not ledger.fits_ever({"num_cpus": 1, "antenna": 1})


def test_devices_are_given_whole_or_shared_by_those_who_want_a_part() -> None:
    ledger = Ledger({}, ("0", "1", "2"))
    half, other_half = ledger.take({"num_gpus": 0.5}), ledger.take({"num_gpus": 0.5})
    two = ledger.take({"num_gpus": 2})

    assert half is not None
    assert other_half is not None
    assert two is not None
    assert half.gpus == other_half.gpus
    assert half.devices == {"CUDA_VISIBLE_DEVICES": half.gpus[0]}
    assert {*half.gpus, *two.gpus} == {"0", "1", "2"}
    assert ledger.take({"num_gpus": 0.5}) is None
    ledger.give_back(half)
    ledger.give_back(other_half)
    assert ledger.take({"num_gpus": 1}) is not None


def test_whoever_asks_for_no_device_sees_none() -> None:
    share = Ledger({}, ("0",)).take({"num_gpus": 0})

    assert share is not None
    assert share.devices == {"CUDA_VISIBLE_DEVICES": ""}


def test_the_number_of_threads_follows_from_the_processors() -> None:
    ledger = Ledger({"num_cpus": 8.0})
    shares = [ledger.take({"num_cpus": need}) for need in (0, 0.5, 3)]

    assert [share and share.threads for share in shares] == [
        {},
        {"OMP_NUM_THREADS": "1"},
        {"OMP_NUM_THREADS": "3"},
    ]


def test_devices_are_those_that_the_node_may_see(tmp_path: Path) -> None:
    for name in ("nvidia10", "nvidia2", "nvidiactl", "null"):
        (tmp_path / name).touch()

    assert Machine({}, tmp_path).ledger().capacity["num_gpus"] == 2
    assert Machine({"CUDA_VISIBLE_DEVICES": "7"}, tmp_path).ledger().capacity["num_gpus"] == 1
    assert Machine({"CUDA_VISIBLE_DEVICES": ""}, tmp_path).ledger().capacity["num_gpus"] == 0


def test_the_machine_has_processors_and_memory() -> None:
    capacity = Machine().ledger().capacity

    assert capacity["num_cpus"] >= 1
    assert capacity["memory"] > 1 << 20


def test_a_node_has_what_its_settings_say_beside_the_machine_or_instead() -> None:
    ledger = Machine(environment={}).ledger({"licence": 2.0, "num_cpus": 64.0})

    assert ledger.fits_ever({"licence": 2, "num_cpus": 64, "memory": 1})
    assert not ledger.fits_ever({"licence": 3})


@pytest.mark.parametrize(
    "needs", [{"num_cpus": -1}, {"num_cpus": "1"}, {"num_cpus": True}, {"x": float("nan")}, {"num_gpus": 1.5}]
)
def test_needs_are_numbers_that_make_sense(needs: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        check_needs(needs)
