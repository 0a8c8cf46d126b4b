"""The whole OpenAPI document, with requests that fit it and such that do not, as everybody."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from security_kit.guarded import NOBODY, PEOPLE, Guarded

DOCUMENT = Path(__file__).parents[2] / "docs/reference/openapi.json"
# Of each operation; each is sent as everybody.
EXAMPLES = int(os.environ.get("QD_TEST_SECURITY", "1"))
ENOUGH = 64 * 1024


@schemathesis.serializer("application/gzip")
def packed(_context: Any, value: Any) -> bytes:
    """Sends text as it is: a file of runs that is none."""
    return str(value).encode()


configured = schemathesis.Config.from_dict({"generation": {"mode": "all"}})
schema = schemathesis.openapi.from_path(DOCUMENT, config=configured)
PUBLIC = {
    f"{method.upper()} {path}"
    for path, item in schema.raw_schema["paths"].items()
    for method, operation in item.items()
    if not operation.get("security", [True])
}


def answer(http: requests.Session, guarded: Guarded, case: Any, who: str) -> tuple[int, str, str]:
    """Returns status, content type and the beginning of what is answered; a stream is left after that."""
    sent = case.as_transport_kwargs(base_url=guarded.url)
    sent["headers"] = {k: v for k, v in (sent.get("headers") or {}).items() if k.lower() != "authorization"}
    sent["headers"] |= guarded.headers(who)
    try:
        with http.request(**sent, stream=True, timeout=(5, 10)) as response:
            kind = response.headers.get("content-type", "")
            if kind.startswith("text/event-stream"):
                return response.status_code, kind, ""
            return response.status_code, kind, response.raw.read(ENOUGH).decode("utf-8", "replace")
    except (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, UnicodeError):
        return 0, "", ""  # no client can send that


@pytest.mark.timeout(1200)
@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="QD_TEST_SECURITY" not in os.environ,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_rest(case: Any, guarded: Guarded) -> None:
    way = f"{case.method.upper()} {case.path}"
    with requests.Session() as http:
        for who in PEOPLE:
            status, kind, text = answer(http, guarded, case, who)
            told = (way, who or "nobody", status, text[:500])
            assert status < 500 or status == 503, told
            assert not guarded.leaks(text), (guarded.leaks(text), told)
            if who == NOBODY and way not in PUBLIC and status:
                assert status in (400, 401, 405, 413), told
            if status >= 400 and way not in PUBLIC:
                assert kind.startswith(("application/problem+json", "text/plain")), told


def test_the_document_says_what_is_public() -> None:
    assert "GET /livez" in PUBLIC
    assert not any("tenants" in way for way in PUBLIC)


def test_everything_is_asked() -> None:
    listed = [way for item in schema.raw_schema["paths"].values() for way in item]
    assert len(list(schema.get_all_operations())) == len(listed) > 70
