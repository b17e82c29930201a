"""One Ray for all tests that want it: it takes twenty seconds to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines.ray_cluster import RayCluster, ray_cluster


@pytest.fixture(scope="session")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    # Ray's sockets lie below it, and their paths must be short.
    with ray_cluster(tmp_path_factory.mktemp("r")) as cluster:
        yield cluster
