"""Help for tests of code that uses actors; needs no test framework."""

from pulsing.testing.clusters import TestCluster, cluster
from pulsing.testing.conformance import BackendConformance, check_backend
from pulsing.testing.fake_llm import FakeAnswer, FakeLLM
from pulsing.testing.leaks import assert_no_leaks
from pulsing.testing.systems import system
from pulsing.testing.virtual import run_virtual
from pulsing.testing.wait import wait_until

__all__ = [
    "BackendConformance",
    "FakeAnswer",
    "FakeLLM",
    "TestCluster",
    "assert_no_leaks",
    "check_backend",
    "cluster",
    "run_virtual",
    "system",
    "wait_until",
]
