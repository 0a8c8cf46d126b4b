#!/usr/bin/env sh
# Prints the path of a Python 3.11 or newer that can make virtual environments. Usage: hack/find_python.sh
# QD_PYTHON names one. Exits with 1 and says what to install when there is none.
set -eu

usable() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

for candidate in ${QD_PYTHON:-} python3 python3.11 python3.12 python3.13 python3.14 \
  /opt/homebrew/bin/python3 /usr/local/bin/python3; do
  path=$(command -v "$candidate" 2>/dev/null) || continue
  if usable "$path"; then
    echo "$path"
    exit 0
  fi
done

echo "error: no Python 3.11 or newer with venv found" >&2
echo "hint: Debian: apt install python3 python3-venv; macOS: brew install python@3.12;" >&2
echo "      or name one: make demo QD_PYTHON=/path/to/python3" >&2
exit 1
