"""The parts of the API client that need no server."""

import pytest

from quarterdeck.controller.api import errors
from quarterdeck.controller.api.errors import error_of
from quarterdeck.controller.api.lines import LineSplitter
from quarterdeck.controller.api.pacing import ATTEMPTS, TokenBucket, retry_after_of, wait_before_retry
from quarterdeck.controller.api.parsing import parsed
from quarterdeck.controller.api.resource import CONFIG_MAPS, CRDS, Resource

DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (CONFIG_MAPS.path(), "/api/v1/configmaps"),
        (CONFIG_MAPS.path("n"), "/api/v1/namespaces/n/configmaps"),
        (DEPLOYMENTS.path("n", "d", "status"), "/apis/apps/v1/namespaces/n/deployments/d/status"),
        (CRDS.path(name="a.b"), "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/a.b"),
        (CONFIG_MAPS.path("n", "../x"), "/api/v1/namespaces/n/configmaps/..%2Fx"),
    ],
)
def test_paths(path, wanted):
    assert path == wanted


def test_an_object_of_a_namespaced_kind_needs_its_namespace():
    with pytest.raises(ValueError, match="needs a namespace"):
        CONFIG_MAPS.path(name="x")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (404, {"reason": "NotFound"}, errors.NotFound),
        (409, {"reason": "AlreadyExists"}, errors.AlreadyExists),
        (409, {"reason": "Conflict"}, errors.Conflict),
        (409, "no status", errors.Conflict),
        (410, {"reason": "Expired"}, errors.Gone),
        (410, {"reason": "Gone"}, errors.Gone),
        (410, None, errors.Gone),
        (500, {"reason": "InternalError"}, errors.ServerTrouble),
        (502, [], errors.ServerTrouble),
        (400, {"reason": "BadRequest"}, errors.ApiError),
    ],
)
def test_errors_by_reason_then_code(code, status, kind):
    made = error_of(code, status)
    assert type(made) is kind
    assert made.code == code
    assert made.message


def test_the_wait_that_a_status_asks_for_is_kept():
    assert error_of(429, {"details": {"retryAfterSeconds": 3}}).retry_after == 3
    assert error_of(429, {"details": {"retryAfterSeconds": 3}}, 7.0).retry_after == 7


def test_only_what_did_nothing_is_repeated():
    assert wait_before_retry(429, 5.0, 1) == 5
    assert wait_before_retry(429, None, 3) == 4
    assert wait_before_retry(429, 9999.0, 1) == 30
    assert wait_before_retry(503, 1.0, 1) == 1
    assert wait_before_retry(503, None, 1) is None
    assert wait_before_retry(404, 1.0, 1) is None
    assert wait_before_retry(429, 1.0, ATTEMPTS) is None


@pytest.mark.parametrize(
    ("header", "seconds"), [("5", 5.0), (None, None), ("Wed, 21 Oct", None), ("-1", None)]
)
def test_retry_after(header, seconds):
    assert retry_after_of(header) == seconds


def test_the_bucket_lets_a_burst_through_and_then_a_steady_flow():
    now = 0.0
    bucket = TokenBucket(rate=10, burst=3, clock=lambda: now)
    assert [bucket.reserve() for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])
    now = 0.2
    assert bucket.reserve() == pytest.approx(0.1)
    now = 100.0
    assert [bucket.reserve() for _ in range(4)] == pytest.approx([0, 0, 0, 0.1])


def test_lines_across_chunks():
    splitter = LineSplitter()
    chunks = [b"a", b"b\n", b"c\nd\n\ne", b"", b"f\n", b"g"]
    assert [splitter.feed(chunk) for chunk in chunks] == [[], [b"ab"], [b"c", b"d"], [], [b"ef"], []]


def test_json_that_only_the_slower_parser_knows_is_read_too():
    deep = b'{"a":' * 300 + b"1" + b"}" * 300
    found = parsed(deep)
    for _ in range(300):
        found = found["a"]
    assert found == 1
    assert parsed(rb'"\ud800"') == "\ud800"
    with pytest.raises(ValueError, match="Expecting"):
        parsed(b"{nothing")


def test_objects_share_the_names_of_their_fields_and_short_texts():
    one, other = (parsed(b'{"observedGeneration":"the spec is in force"}') for _ in range(2))
    assert one == other
    assert next(iter(one)) is next(iter(other))
    assert one["observedGeneration"] is other["observedGeneration"]


def test_a_line_without_end_is_refused():
    splitter = LineSplitter(longest=10)
    splitter.feed(b"12345")
    with pytest.raises(ValueError, match="longer than 10"):
        splitter.feed(b"678901")
