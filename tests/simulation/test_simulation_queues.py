"""Queues whose nodes fail keep their promises over random lives, and broken machines are caught."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pulsing.streaming.backends import sqlite_file
from pulsing.streaming.backends.sqlite_file import SqliteFile
from pulsing.streaming.footing import Footing
from pulsing.streaming.ownership.catalogue import Catalogue, Holding
from pulsing.streaming.ownership.claims import Claim, Claims
from pulsing.streaming.ownership.side import Side
from tests.simulation.queue_campaign import life_of
from tests.simulation.queue_life import Life, Violation

FAULTS_S = 60.0
SEEDS = 36
CHUNK = 6


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_a_random_life_loses_nothing_silently_and_has_one_owner_at_a_time(first: int) -> None:
    for seed in range(first, first + CHUNK):
        life = life_of(seed, FAULTS_S).run()
        assert len(life.acks) > 50


def test_the_same_seed_gives_the_same_life_whatever_the_order_of_hashes() -> None:
    told = set()
    for hash_seed in ("0", "4711"):
        lives = ["memory", "3", "7"], ["shared", "5", "11"]
        told.add(tuple(replayed(life, hash_seed) for life in lives))
    assert len(told) == 1


def replayed(life: list[str], hash_seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.queue_campaign", "--faults", "40", "--replay", *life],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def violation_within(kind: str, seeds: int) -> str:
    for seed in range(seeds):
        try:
            Life(kind, 3, seed, FAULTS_S).run()
        except Violation as violation:
            return str(violation)
    return ""


@contextmanager
def broken(target: Any, name: str, instead: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target, name, instead)
        yield


def test_a_store_without_a_fence_is_caught() -> None:
    with broken(
        sqlite_file, "_APPEND", sqlite_file._APPEND.replace(sqlite_file._FENCE, "? IS NOT NULL AND ? IS NOT NULL")
    ):
        assert "replay with: python -m tests.simulation.queue_campaign --faults 60 --replay shared" in violation_within(
            "shared", 30
        )


def test_an_epoch_that_its_owner_gives_itself_is_caught() -> None:
    async def at_once(self: Claims, claim: Claim) -> int:
        return self._catalogue.holding(claim.key).epoch + 1

    with broken(Claims, "win", at_once), broken(Side, "may_take_over", lambda self: True):
        assert "replay with" in violation_within("memory", 40)


def test_records_that_are_acknowledged_and_not_kept_are_caught() -> None:
    kept = SqliteFile._commit

    def forgetful(self: SqliteFile, bodies: list[bytes], size: int) -> None:
        kept(self, bodies, size)
        if self.next % 50 == 49:
            connection = self._open_connection()
            connection.execute(
                "DELETE FROM batches WHERE first = (SELECT max(first) FROM batches WHERE first < ?)", (self.next,)
            )

    with broken(SqliteFile, "_commit", forgetful):
        assert "lacks" in violation_within("wait", 5)


def test_a_loss_that_nobody_is_told_of_is_caught() -> None:
    with broken(Footing, "wrote", lambda self, bucket_id, ground, following: None):
        assert "was not told" in violation_within("memory", 30)


def test_an_epoch_that_does_not_rise_is_caught() -> None:
    def stuck(self: Catalogue, key: str, node_id: int, seen: int = 0) -> Holding:
        holding = self._holdings[key] = Holding(max(1, self.holding(key).epoch, seen), node_id)
        return holding

    with broken(Catalogue, "take", stuck):
        assert "two owners in epoch" in violation_within("memory", 10)
