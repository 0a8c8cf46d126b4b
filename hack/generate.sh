#!/usr/bin/env sh
# Writes all generated files but the wire code. A test of each asserts that doing so changes nothing.
# Usage: hack/generate.sh PYTHON
set -eu
cd "$(dirname "$0")/.."
python=$1
"$python" -m quarterdeck.resources.generate --out .
"$python" hack/cli_reference.py docs/cli.md
"$python" -m quarterdeck.gateway.write_doors docs/reference/doors.md
