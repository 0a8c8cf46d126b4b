#!/usr/bin/env sh
# Prints the targets of makefiles with what stands behind `##` in their lines. Usage: hack/help.sh MAKEFILE…
set -eu
sed -n 's/^\([A-Za-z%-][A-Za-z0-9_.%-]*\):[^#=]*## \(.*\)$/\1	\2/p' "$@" | sed 's/%/NAME/' |
  awk -F '	' '{ printf "  make %-12s %s\n", $1, $2 }'
