"""The console's files, as `make web` built them.

They are open because they hold no data: what they show, they ask for with a token.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from quarterdeck.common.errors import NotFound
from quarterdeck.gateway.config import GatewaySettings

router = APIRouter(include_in_schema=False)

INDEX = "index.html"
NOT_BUILT = "The console is not built. Build it in the repository with: make web\n"
# With `nosniff` a browser takes a file for what it is declared to be; nothing else is served.
MEDIA_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The names of assets carry a hash of their content.
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_ASK_AGAIN = {"Cache-Control": "no-cache"}


@router.get("/console")
async def without_slash() -> Response:
    """Leads to the console; its files are named relative to the slash."""
    return RedirectResponse("/console/", 308)


@router.get("/console/{path:path}")
async def file(request: Request, path: str) -> Response:
    """One of the console's files; the page itself for an empty path. One line when nothing is built."""
    settings: GatewaySettings = request.app.state.settings
    files = built_files(settings.console_dir or built_in_tree())
    if INDEX not in files:
        return Response(NOT_BUILT, 404, media_type="text/plain")
    wanted = files.get(path or INDEX)
    if wanted is None:
        raise NotFound(f"the console has no file {path!r}")
    lasting = _FOREVER if path.startswith("assets/") else _ASK_AGAIN
    headers = {**lasting, "Content-Security-Policy": _CONTENT_POLICY}
    return FileResponse(wanted, media_type=MEDIA_TYPES[wanted.suffix], headers=headers)


def built_files(directory: Path) -> dict[str, Path]:
    """Returns what may be served, by its path below the console.

    A request's path is only looked up here and never given to the file system.
    """
    return {
        found.relative_to(directory).as_posix(): found
        for found in directory.rglob("*")
        if found.suffix in MEDIA_TYPES and found.is_file() and not found.is_symlink()
    }


def built_in_tree() -> Path:
    """Returns where a checkout of the repository has the built console."""
    return Path(__file__).parents[5] / "web" / "dist"
