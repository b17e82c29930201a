"""Help for tests of code that uses actors; needs no test framework."""

from pulsing.testing.leaks import assert_no_leaks
from pulsing.testing.systems import system
from pulsing.testing.wait import wait_until

__all__ = ["assert_no_leaks", "system", "wait_until"]
