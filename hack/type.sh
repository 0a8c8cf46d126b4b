#!/usr/bin/env sh
# Checks the types of every distribution, and of what stands beside them. Usage: hack/type.sh PYTHON
set -eu
cd "$(dirname "$0")/.."
python=$1
set --
for folder in libs/*/src services/*/src cli/src tests bench hack; do
  [ -n "$(find "$folder" -name '*.py' -print 2>/dev/null | head -n 1)" ] && set -- "$@" "$folder"
done
exec "$python" -m mypy "$@"
