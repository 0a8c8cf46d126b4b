#!/usr/bin/env sh
# Resolves requirements/*.in together into hash-pinned files, for every platform, without a registry's
# address. Usage: hack/lock.sh [uv's options, such as --upgrade]
#
# dev.in holds all the others, so it is resolved first and its versions constrain the smaller sets.
set -eu
cd "$(dirname "$0")/.."

resolve() {
  name=$1
  shift
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --prerelease=if-necessary-or-explicit --custom-compile-command "make lock" \
    "requirements/$name.in" -o "requirements/$name.txt" "$@"
}

resolve dev "$@"
for file in requirements/*.in; do
  name=$(basename "$file" .in)
  [ "$name" = dev ] || resolve "$name" --constraint requirements/dev.txt
done
