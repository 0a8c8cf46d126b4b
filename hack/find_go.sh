#!/usr/bin/env sh
# Prints the directory that holds go 1.26 or newer. Usage: hack/find_go.sh [virtual environment]
# The machine's comes first, then the one that the development requirements bring as a wheel.
set -eu
cd "$(dirname "$0")/.."
venv=${1:-.venv}

usable() {
  [ -x "$1/go" ] && "$1/go" env GOVERSION 2>/dev/null | grep -Eq '^go(1\.(2[6-9]|[3-9][0-9])|[2-9])'
}

machine=$(dirname "$(command -v go 2>/dev/null || echo /nowhere/go)")
for folder in "$machine" "$PWD/$venv/bin"; do
  if usable "$folder"; then
    echo "$folder"
    exit 0
  fi
done

echo "error: no go 1.26 or newer found" >&2
echo "hint: make venv-dev brings one; or install it from your distribution" >&2
exit 1
