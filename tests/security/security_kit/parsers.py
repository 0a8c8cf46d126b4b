"""What strangers' bytes meet first, each as a function that may refuse them and may do nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from quarterdeck.common.codec import is_deep, loads_field
from quarterdeck.common.errors import InvalidArgument, QuarterdeckError, Unauthenticated
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.edges.addresses import address_of_peer, bucket_of, client_address
from quarterdeck.gateway.edges.origins import is_foreign, is_origin
from quarterdeck.gateway.keys.format import PREFIX, Format
from quarterdeck.gateway.oidc.claims import peek
from quarterdeck.gateway.oidc.providers import is_safe
from quarterdeck.gateway.sessions.beginning import path_here
from quarterdeck.gateway.sessions.cookies import SESSION
from quarterdeck.gateway.sessions.cookies import read as read_cookie
from quarterdeck.gateway.sessions.credential import credential_of
from quarterdeck.gateway.triggers.signature import secret_bytes, verify
from quarterdeck.resources.expressions import ExpressionError, compile_expression
from quarterdeck.resources.manifests import ManifestError, check_manifests, load_manifests

Target = Callable[[bytes], None]
_NAMES = {"input": {"a": [1, "b"], "c": None}, "nodes": {}}
_SETTINGS = GatewaySettings()
_KEYS = Format(PREFIX, b"pepper")


def manifest(data: bytes) -> None:
    """YAML of users, up to all that is wrong with it."""
    with contextlib.suppress(ManifestError):
        check_manifests(load_manifests(data, "fuzz"))


def cel(data: bytes) -> None:
    """An expression, compiled and evaluated."""
    with contextlib.suppress(ExpressionError):
        compile_expression(data.decode("utf-8", "replace")).evaluate(_NAMES)


def token(data: bytes) -> None:
    """A credential of any sort. None is ever good."""
    text = data.decode("latin-1")
    peek(text)
    assert _KEYS.read(text) is None and _KEYS.read(PREFIX + text) is None
    read_cookie(text, "session", is_https=True)


def webhook(data: bytes) -> None:
    """Headers and body of a webhook. None is ever rightly signed."""
    parts = [part.decode("latin-1") for part in data.split(b"\n", 3)] + [""] * 3
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    headers = dict(zip(names, parts, strict=False))
    with contextlib.suppress(QuarterdeckError):
        secret_bytes(parts[2])
    try:
        verify(b"a secret", headers, parts[3].encode(), now=1_700_000_000.0, tolerance=1e12)
    except Unauthenticated:
        return
    raise AssertionError("a signature was guessed")


def json_field(data: bytes) -> None:
    """JSON in a field of a message."""
    with contextlib.suppress(InvalidArgument):
        loads_field(data, "input")
        is_deep(data)


def headers(data: bytes) -> None:
    """Headers about where a request comes from."""
    text = data.decode("latin-1")
    first, _, second = text.partition("\n")
    bucket_of(client_address(first, second, ()))
    bucket_of(address_of_peer(text))
    is_origin(text)
    is_safe(text)
    path_here(text)
    is_foreign("POST", "", first, second, ())
    given = {
        b"host": first.encode("latin-1"),
        b"cookie": f"{SESSION}=a".encode(),
        b"origin": second.encode("latin-1"),
    }
    with contextlib.suppress(QuarterdeckError):
        credential_of("POST", given, _SETTINGS)


TARGETS: dict[str, Target] = {
    target.__name__: target for target in (manifest, cel, token, webhook, json_field, headers)
}
# What random bytes begin from.
SEEDS: dict[str, tuple[bytes, ...]] = {
    "manifest": (
        b"apiVersion: quarterdeck.dev/v1alpha1\nkind: Agent\nmetadata: {name: a}\n"
        b"spec: {instructions: '${input}'}\n",
        b"kind: Workflow\nspec:\n  nodes:\n  - {name: a, transform: {output: '${input.a}'}}\n---\n[1]\n",
    ),
    "cel": (b"input.a[0] + 1", b"[1,2].map(x, x * 2)", b"'a'.matches('(a+)+$')", b"has(input.c) ? 1 : 2"),
    "token": (b"qdk_abcdefgh2345_x", b"eyJhbGciOiJub25lIn0.e30.", b"session=a; session=b"),
    "webhook": (
        b"msg_1\n1700000000\nv1,AAAA\n{}",
        b"whsec_\n1\nwhsec_!\n",
        b"a\n" + b"9" * 5000 + b"\nv1,x\n",
    ),
    "json_field": (b'{"a": [1, 2.5e3, null, "\\ud800"]}', b"[" * 150 + b"]" * 150),
    "headers": (b"10.0.0.1\n1.2.3.4, ::1", b"ipv6:%5B::1%5D:9", b"http://[::1\nlocalhost", b"fe80::1%a"),
}
