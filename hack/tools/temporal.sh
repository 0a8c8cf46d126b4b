#!/usr/bin/env sh
# Builds Temporal's command line, whose development server is a peer in `make bench-runtime`, and prints its path.
# It is built from its Go module, once, into a cache outside the repository. Usage: hack/tools/temporal.sh
set -eu
version=v1.5.1
folder=${XDG_CACHE_HOME:-$HOME/.cache}/quarterdeck/temporal-$version

if [ ! -x "$folder/temporal" ]; then
  command -v go >/dev/null || {
    echo "error: Temporal's development server is built with Go 1.24 or newer, and there is no go in the PATH" >&2
    exit 1
  }
  echo "building Temporal's development server $version; the first time takes some minutes" >&2
  # Compiling is heavy: whatever else runs on this machine goes first.
  GOBIN=$folder GOFLAGS=-p=1 nice -n 15 go install "github.com/temporalio/cli/cmd/temporal@$version" >&2
fi
echo "$folder/temporal"
