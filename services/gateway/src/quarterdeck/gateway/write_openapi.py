"""Writes the OpenAPI document to `docs/reference/openapi.json`; `make generate` calls it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fastapi import FastAPI

from quarterdeck.gateway.app import ROUTES
from quarterdeck.gateway.openapi import document


def main(target: Path) -> None:
    """Writes the document to `target`."""
    app = FastAPI()
    app.router.routes.clear()
    app.router.routes.extend(ROUTES)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(document(app), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference/openapi.json"))
