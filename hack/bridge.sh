#!/usr/bin/env sh
# Builds or tests the program that tool pods get injected. Usage: hack/bridge.sh build|test
set -eu
cd "$(dirname "$0")/.."
go=$(sh hack/find_go.sh)
PATH="$go:$PATH"
# Nothing is downloaded: the standard library is all it uses. Static, so that it runs in any image.
export PATH GOTOOLCHAIN=local GOFLAGS=-mod=mod GOPROXY=off CGO_ENABLED=0
root=$PWD
cd services/mcp-manager/bridge

case $1 in
  build)
    version=$(git describe --always --dirty 2>/dev/null || echo unknown)
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "$root/build/bridge" .
    echo "build/bridge: $(wc -c <"$root/build/bridge") bytes"
    ;;
  test)
    go vet ./...
    unformatted=$(gofmt -l .)
    [ -z "$unformatted" ] || { echo "error: gofmt would change: $unformatted" >&2; exit 1; }
    go test ./...
    ;;
  *)
    echo "usage: hack/bridge.sh build|test" >&2
    exit 2
    ;;
esac
