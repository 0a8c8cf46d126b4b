#!/usr/bin/env sh
# Temporal's command line, whose development server is a peer in `make bench-runtime`. It is built from its Go
# module, once, into a cache outside the repository. Prints its path.
# Usage: hack/tools/temporal.sh build|find    (find: fails if it was not built yet)
set -eu
version=v1.5.1
folder=${XDG_CACHE_HOME:-$HOME/.cache}/quarterdeck/temporal-$version

if [ ! -x "$folder/temporal" ]; then
  [ "${1:-}" = build ] || exit 1
  command -v go >/dev/null || {
    echo "error: Temporal's development server is built with Go 1.24 or newer, and there is no go in the PATH" >&2
    exit 1
  }
  echo "building Temporal's development server $version; that takes some minutes" >&2
  # Compiling is heavy: whatever else runs on this machine goes first.
  GOBIN=$folder GOFLAGS=-p=1 nice -n 15 go install "github.com/temporalio/cli/cmd/temporal@$version" >&2
fi
echo "$folder/temporal"
