"""`python -m quarterdeck.mcp.egress serve` is the proxy, `answer` what it asks, `ready` its probe."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from tempfile import mkdtemp

from quarterdeck.mcp.egress.configuration import MODULE, asked_by_squid, configuration
from quarterdeck.mcp.egress.constants import PORT
from quarterdeck.mcp.egress.readiness import is_ready

SQUID = "/usr/sbin/squid"


def main() -> None:
    """Does what its argument says."""
    match sys.argv[1:]:
        case ["serve"]:
            _serve()
        case ["answer"]:
            from quarterdeck.mcp.egress.answers import run

            asyncio.run(run())
        case ["ready"]:
            sys.exit(0 if is_ready(PORT) else 1)
        case _:
            sys.exit(f"error: write python -m {MODULE} serve, answer or ready")


def _serve() -> None:
    """Becomes the proxy: signals and the end are its own."""
    from quarterdeck.mcp.egress.certificate import write_certificate

    folder = Path(mkdtemp(prefix="egress-"))
    certificate = write_certificate(folder / "unused.pem")
    settings = folder / "squid.conf"
    settings.write_text(configuration(asked_by_squid(), str(certificate)))
    os.execv(SQUID, [SQUID, "-N", "-d", "1", "-f", str(settings)])


main()
