"""`python -m security_kit TARGET [libFuzzer's options]`: atheris over one parser, guided by coverage."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory


def main() -> None:
    """Fuzzes until libFuzzer's options say to end; a crash ends it with what led there."""
    import atheris

    with atheris.instrument_imports(include=["quarterdeck"]):
        from security_kit.parsers import SEEDS, TARGETS

    name, *options = sys.argv[1:]
    with TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS[name]):
            Path(corpus, str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], "-timeout=20", "-rss_limit_mb=2048", *options, corpus], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
