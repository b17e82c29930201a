"""What a Ray says that demands a token, and what we add; a real one is asked in the tests of engines."""

from __future__ import annotations

import pytest

from pulsing.exceptions import AuthFailed
from pulsing.integrations.ray.token import explained


class AuthenticationError(Exception):
    """Called as Ray's."""


@pytest.mark.parametrize(
    "error", [AuthenticationError("no token"), RuntimeError("RPC error: InvalidAuthToken: missing or incorrect")]
)
def test_a_refusal_for_want_of_a_token_says_what_to_set(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with (
        pytest.raises(AuthFailed, match=r"RAY_AUTH_MODE=token .* RAY_AUTH_TOKEN .* RAY_AUTH_TOKEN_PATH") as caught,
        explained(),
    ):
        raise error

    assert caught.value.addr == "10.0.0.1:6379"
    assert str(error) in caught.value.hint
    assert caught.value.__cause__ is error


def test_every_other_error_of_ray_arrives_as_it_is() -> None:
    with pytest.raises(ConnectionError, match="no route"), explained():
        raise ConnectionError("no route")
