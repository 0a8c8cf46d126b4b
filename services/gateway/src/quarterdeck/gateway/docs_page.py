"""The documentation page, without a word from the internet: its assets come from a wheel."""

from __future__ import annotations

import asyncio
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from quarterdeck.common import codec
from quarterdeck.common.errors import NotFound
from quarterdeck.gateway.openapi import TITLE, document

router = APIRouter(include_in_schema=False)

# The wheel ships Swagger UI; nothing of its code is imported.
ASSETS_PACKAGE = "fastapi_offline"
ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
)
_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{TITLE} API</title>
<link rel="icon" href="/docs/favicon.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#ui",
  deepLinking: true,
  persistAuthorization: false,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
"""


@router.get("/docs")
async def page() -> Response:
    """The page."""
    return Response(_PAGE, media_type="text/html", headers={"Content-Security-Policy": _CONTENT_POLICY})


@router.get("/docs/start.js")
async def start() -> Response:
    """What starts the page; a file of its own, so that no inline script must be allowed."""
    return Response(_START, media_type="text/javascript")


@router.get("/docs/{name}")
async def asset(name: str) -> Response:
    """One of the page's assets."""
    if name not in ASSETS:
        raise NotFound(f"the documentation has no file {name!r}")
    headers = {"Cache-Control": "public, max-age=86400"}
    return FileResponse(assets_dir() / name, media_type=ASSETS[name], headers=headers)


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The OpenAPI document."""
    made = await asyncio.to_thread(document, request.app)  # the first time takes its time
    return Response(codec.dumps(made), media_type="application/json")


@cache
def assets_dir() -> Path:
    """Returns the directory of the assets. Raises NotFound if their wheel is not installed."""
    spec = find_spec(ASSETS_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise NotFound("the documentation's assets are not installed", hint=f"install {ASSETS_PACKAGE}")
    return Path(spec.submodule_search_locations[0]) / "static"
