"""Lists what is in the bridge, in CycloneDX, from what the Go linker has written into the program.

Usage: python hack/images/bridge_sbom.py build/bridge build/sbom/bridge.cdx.json (with go on the PATH)
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

NAME = "bridge"


def components(build_info: str) -> list[dict[str, Any]]:
    """Returns what a program is made of: the Go distribution, whose library it is, and each module.

    Args:
        build_info: what `go version -m` says of it.

    Raises:
        ValueError: it says nothing of a Go program.
    """
    first, _, rest = build_info.partition("\n")
    version = first.rpartition(": go")[2].strip()
    if not rest or version == first.strip():
        raise ValueError(f"not a Go program: {first or 'nothing was said'}")
    found = [_component("golang/std", version)]
    for line in rest.splitlines():
        kind, *words = line.split()
        if kind in ("dep", "=>"):
            if kind == "=>":  # stands in for the one before
                found.pop()
            found.append(_component(f"golang/{words[0]}", words[1]))
    return found


def _component(path: str, version: str) -> dict[str, Any]:
    purl = f"pkg:{path}@{version}"
    name = path.removeprefix("golang/")
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def document(build_info: str, program: bytes, version: str) -> dict[str, Any]:
    """Returns the list. The same program gives the same document."""
    digest = hashlib.sha256(program).hexdigest()
    subject = {
        "type": "application",
        "bom-ref": NAME,
        "name": NAME,
        "version": version,
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }
    parts = components(build_info)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": subject},
        "components": parts,
        "dependencies": [{"ref": NAME, "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def main() -> None:
    """Writes the list of a program."""
    program, destination = (Path(argument) for argument in sys.argv[1:3])
    info = subprocess.run(["go", "version", "-m", str(program)], check=True, capture_output=True, text=True)
    said = subprocess.run([str(program.resolve()), "version"], check=True, capture_output=True, text=True)
    made = document(info.stdout, program.read_bytes(), said.stdout.strip())
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.write_text(json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    main()
