#!/usr/bin/env sh
# Asks an advisory database (OSV) about what is locked, and writes a bill of materials to build/sbom.json.
# Usage: hack/audit.sh PYTHON [LOCK]
# A known vulnerability fails it. A database that cannot be reached is said in print, and fails nothing.
set -eu
cd "$(dirname "$0")/.."
bin=$(dirname "$1")
lock=${2:-requirements/platform.txt}
mkdir -p build
"$bin/cyclonedx-py" requirements "$lock" --output-reproducible --output-format JSON -o build/sbom.json
echo "build/sbom.json: $(grep -c '"bom-ref": ' build/sbom.json) entries of $lock"

told=$(mktemp)
trap 'rm -f "$told"' EXIT
if "$bin/pip-audit" --requirement "$lock" --no-deps --disable-pip --vulnerability-service osv \
  --progress-spinner off --timeout 10 >"$told" 2>&1; then
  echo "no known vulnerability in $lock"
elif grep -qiE 'known vulnerabilit' "$told"; then
  cat "$told"
  exit 1
else
  echo "NOT AUDITED: the advisory database did not answer ($(tail -1 "$told" | cut -c1-200))"
fi
