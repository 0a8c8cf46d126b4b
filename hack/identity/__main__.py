"""`python -m hack.identity`: serves until it is interrupted; the first line it prints is the issuer."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os

from hack.identity.people import Client, Person
from hack.identity.serving import Provider


def _person(text: str) -> Person:
    name, _, groups = text.partition("=")
    return Person(name, tuple(group for group in groups.split(",") if group))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hack.identity", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--client", default="quarterdeck", help="the id of the program that asks")
    parser.add_argument("--redirect", action="append", default=[], help="where browsers may be sent back to")
    parser.add_argument(
        "--person", action="append", type=_person, default=[], help="NAME or NAME=GROUP,GROUP"
    )
    return parser.parse_args()


async def _serve(given: argparse.Namespace) -> None:
    provider = Provider(Client(given.client, tuple(given.redirect)), given.person)
    print(await provider.start(given.port), flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await provider.stop()


def main() -> None:
    """Serves on this machine only, so that plain HTTP is enough."""
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(_arguments()))


if __name__ == "__main__":
    main()
