#!/usr/bin/env sh
# Builds or tests the console with what web/package-lock.json names. Usage: hack/web.sh build|test
set -eu
cd "$(dirname "$0")/.."
node=$(sh hack/find_node.sh)
PATH="$node:$PATH"
export PATH
cd web

# npm ci begins anew every time; the lock file's copy says whether it must.
stamp=node_modules/.installed-lock.json
if ! cmp -s package-lock.json "$stamp"; then
  npm ci --no-fund --no-audit
  cp package-lock.json "$stamp"
fi
npm run "$1"
