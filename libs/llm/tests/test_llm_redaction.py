"""A provider that says the key that it refuses does not bring it into an error."""

import pytest

from quarterdeck.llm.errors import ModelError
from quarterdeck.llm.sdk import Connection, told
from quarterdeck.llm.types import Usage


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        (Connection("sk-very-secret"), "key *** and x-secret-header"),
        (Connection("short", headers=(("x", "x-secret-header"),)), "key sk-very-secret and ***"),
    ],
)
def test_what_is_said(connection: Connection, said: str) -> None:
    error = ModelError("key sk-very-secret and x-secret-header", hint="not sk-very-secret")
    assert told(error, Usage(), connection) is error
    assert (error.message, str(error.args[0]), error.to_json()["message"]) == (said, said, said)
    assert ("sk-very-secret" in str(error)) is (connection.api_key == "short")


def test_other_errors_are_left_as_they_are() -> None:
    problem = ValueError("x")
    assert told(problem, Usage(), Connection("sk-very-secret")) is problem
