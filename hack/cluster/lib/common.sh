# shellcheck shell=bash
# What every script here needs: the settings, and a way to end with a reason.
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=hack/cluster/env
. "$here/env"
export PATH=$BIN:$PATH

die() { echo "$(basename "$0"): $*" >&2; exit 1; }
say() { printf '%s [%3ds] %s\n' "$(basename "$0")" "$SECONDS" "$*" >&2; }
ctr() { command ctr --address "$CRI" --namespace k8s.io "$@"; }

put() {  # FILE: from standard input, left alone where it already says the same (kube-proxy ends when its file changes)
  local text; text=$(cat)
  [[ -e $1 && $(<"$1") == "$text" ]] || printf '%s\n' "$text" >"$1"
}
