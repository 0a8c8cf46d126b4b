"""The client of the gateway's REST API: connection, errors, pages, event streams."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from quarterdeck.cli.constants import (
    EXIT_CONFLICT,
    EXIT_DENIED,
    EXIT_FAILED,
    EXIT_INVALID,
    EXIT_NOT_FOUND,
    EXIT_TIMEOUT,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
)
from quarterdeck.cli.contexts import Connection
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.sse import ServerEvent, parse_events

if TYPE_CHECKING:
    from quarterdeck.cli.http_library import httpx

PREFIX = "/api/v1"
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 60.0
PAGE = 500
# How often a broken stream is taken up again before it is an error.
STREAM_ATTEMPTS = 5

CODES = {
    400: EXIT_INVALID,
    401: EXIT_DENIED,
    403: EXIT_DENIED,
    404: EXIT_NOT_FOUND,
    408: EXIT_TIMEOUT,
    409: EXIT_CONFLICT,
    412: EXIT_CONFLICT,
    413: EXIT_INVALID,
    422: EXIT_INVALID,
    502: EXIT_UNREACHABLE,
    503: EXIT_UNREACHABLE,
    504: EXIT_TIMEOUT,
}

Query = Mapping[str, str | int | float | bool | None]


class ApiError(CliError):
    """The gateway refused. `status` is HTTP's; `reason` is the stable identifier of the problem."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        self.reason = str(problem.get("reason") or "")
        super().__init__(
            _message(status, problem),
            hint=str(problem.get("hint") or ""),
            code=CODES.get(status, EXIT_FAILED),
            details=_violations(problem),
        )


def _message(status: int, problem: Mapping[str, Any]) -> str:
    detail = str(problem.get("detail") or problem.get("title") or f"the gateway answered {status}")
    where = str(problem.get("field") or "")
    return f"{where}: {detail}" if where and not detail.startswith(where) else detail


def _violations(problem: Mapping[str, Any]) -> list[str]:
    listed = [(str(item.get("field", "")), str(item.get("message", ""))) for item in _entries(problem)]
    if len(listed) == 1 and listed[0][0] == problem.get("field"):
        return []
    return [f"{field}: {message}" if field else message for field, message in listed]


def _entries(problem: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = problem.get("violations")
    return [item for item in entries if isinstance(item, dict)] if isinstance(entries, list) else []


class Api:
    """One platform as one caller sees it. Use it as a context manager.

    Paths are relative to /api/v1; `tenant_path` makes those below the tenant.
    """

    def __init__(self, connection: Connection, transport: httpx.BaseTransport | None = None) -> None:
        self.connection = connection
        self._http = _http_client(connection, transport)

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def tenant_path(self, *parts: str) -> str:
        """Returns the path of something of the tenant, each part quoted."""
        return join_path("tenants", self.connection.tenant, *parts)

    def get(self, path: str, query: Query | None = None) -> Any:
        """Returns the JSON of a GET. Raises CliError."""
        return self.send("GET", path, query=query).json()

    def root(self, path: str) -> Any:
        """Returns the JSON of a path beside the API, such as /health, whatever its status."""
        with self._translated():
            return self._http.get(path).json()

    def post(
        self,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = READ_TIMEOUT,
    ) -> Any:
        """Returns the JSON of a POST, None when it answers nothing. Raises CliError."""
        response = self.send("POST", path, body=body, headers=headers, timeout=timeout)
        return response.json() if response.content else None

    def upload(self, path: str, content: bytes, timeout: float) -> Any:
        """Returns the JSON of a POST whose body is a file. Raises CliError."""
        headers = {"Content-Type": "application/octet-stream"}
        with self._translated():
            response = self._http.post(PREFIX + path, content=content, headers=headers, timeout=timeout)
        return _checked(response).json()

    def delete(self, path: str) -> None:
        """Deletes something. Raises CliError."""
        self.send("DELETE", path)

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = READ_TIMEOUT,
    ) -> httpx.Response:
        """Sends a request and returns its answer. Raises ApiError if refused, CliError if nobody answers."""
        with self._translated():
            response = self._http.request(
                method,
                PREFIX + path,
                params=_given(query),
                json=body,
                headers=headers,
                timeout=timeout,
            )
        return _checked(response)

    def pages(self, path: str, query: Query | None = None, limit: int = 0) -> Iterator[dict[str, Any]]:
        """Yields the items of a list over all its pages; at most `limit` when it is not zero."""
        token, seen = "", 0
        while True:
            size = min(PAGE, limit - seen) if limit else PAGE
            page = self.get(path, {**(query or {}), "limit": size, "continue": token or None})
            items = page.get("items", [])
            yield from items
            seen += len(items)
            token = str(page.get("continue") or "")
            if not token or (limit and seen >= limit):
                return

    def events(self, path: str, query: Query | None = None, after: str = "") -> Iterator[ServerEvent]:
        """Yields a stream's events; takes a broken stream up where it broke. Raises CliError."""
        from quarterdeck.cli.http_library import httpx

        failures, last = 0, after
        while True:
            try:
                for event in self._stream("GET", path, query, None, last):
                    failures, last = 0, event.id or last
                    yield event
                return
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.ReadTimeout) as error:
                failures += 1
                if failures > STREAM_ATTEMPTS:
                    raise _unreachable(self.connection, error) from None

    def download(self, path: str) -> Iterator[bytes]:
        """Yields the bytes of an answer as they come. Raises CliError."""
        with self._translated(), self._http.stream("GET", PREFIX + path) as response:
            if response.is_error:
                response.read()
            _checked(response)
            yield from response.iter_bytes()

    def post_events(self, path: str, body: Any) -> Iterator[ServerEvent]:
        """Posts a request whose answer is an event stream, and yields its events. Raises CliError."""
        with self._translated():
            yield from self._stream("POST", path, None, body, "")

    def _stream(
        self, method: str, path: str, query: Query | None, body: Any, after: str
    ) -> Iterator[ServerEvent]:
        from quarterdeck.cli.http_library import httpx

        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": after} if after else {})}
        try:
            with self._http.stream(
                method, PREFIX + path, params=_given(query), json=body, headers=headers, timeout=_patient()
            ) as response:
                if response.is_error:
                    response.read()
                _checked(response)
                yield from parse_events(response.iter_lines())
        except httpx.ConnectError as error:
            raise _unreachable(self.connection, error) from None

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        from quarterdeck.cli.http_library import httpx

        try:
            yield
        except httpx.TimeoutException:
            raise CliError(f"{self.connection.url} did not answer in time", code=EXIT_TIMEOUT) from None
        except httpx.TransportError as error:
            raise _unreachable(self.connection, error) from None


def join_path(*parts: str) -> str:
    """Returns "/a/b" with each part quoted: whatever it is, it stays one. Raises CliError if one is empty."""
    return "".join(f"/{_segment(part)}" for part in parts)


def _segment(part: str) -> str:
    if not part:
        raise CliError("a name is empty", hint="give every name, or leave the argument out", code=EXIT_USAGE)
    if part in (".", ".."):  # as they are they would be steps on the way, also when quoted by the rules
        return part.replace(".", "%2E")
    return quote(part, safe=":@")


def _http_client(connection: Connection, transport: httpx.BaseTransport | None) -> httpx.Client:
    from quarterdeck.cli.http_library import httpx

    parts = urlsplit(connection.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CliError(
            f"not an http or https address: {connection.url!r}",
            hint=f"correct it with `qd config set-context {connection.context} --server URL`",
            code=EXIT_INVALID,
        )
    # Proxies are for other machines, and reading the certificate store costs 50 ms that plain HTTP can save.
    local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    return httpx.Client(
        base_url=connection.url,
        headers={"Authorization": f"Bearer {connection.token}"} if connection.token else {},
        timeout=httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT),
        trust_env=not local,
        verify=parts.scheme == "https",
        transport=transport,
    )


def _patient() -> httpx.Timeout:
    """A stream may be silent for long; the gateway sends comments to keep it alive."""
    from quarterdeck.cli.http_library import httpx

    return httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)


def _given(query: Query | None) -> dict[str, str | int | float | bool] | None:
    return {name: value for name, value in (query or {}).items() if value is not None} or None


def _checked(response: httpx.Response) -> httpx.Response:
    if not response.is_error:
        return response
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    raise ApiError(response.status_code, problem if isinstance(problem, dict) else {})


def _unreachable(connection: Connection, error: Exception) -> CliError:
    return CliError(
        f"cannot reach the platform at {connection.url}: {error}",
        hint="is it running? start one with `qd up`, or see `qd doctor`",
        code=EXIT_UNREACHABLE,
    )
