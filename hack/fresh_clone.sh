#!/usr/bin/env sh
# Starts from nothing but `git clone`: runs the README's two commands and says how long they took.
# Usage: hack/fresh_clone.sh [REPOSITORY, default: this one]
#
# The clone holds what is committed, not what lies in the working tree. It is made in a temporary folder,
# which is removed at the end unless QD_KEEP is set. QD_FRESH_TEST=1 runs `make test` there as well.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
source=${1:-$here}
folder=$(mktemp -d "${TMPDIR:-/tmp}/quarterdeck-fresh.XXXXXX")

leave() {
  if [ -n "${QD_KEEP:-}" ]; then
    echo "kept: $folder"
  else
    rm -rf "$folder"
  fi
}
trap leave EXIT
trap 'exit 130' INT TERM

# Nothing of the caller's platform, virtual environment or models may help.
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME ANTHROPIC_API_KEY OPENAI_API_KEY MAKEFLAGS MAKELEVEL
for name in $(env | sed -n 's/^\(QD_[A-Z_]*\)=.*/\1/p'); do
  case $name in QD_KEEP | QD_PYTHON | QD_FRESH_TEST) ;; *) unset "$name" ;; esac
done

seconds() {
  date +%s
}

timed() {
  label=$1
  shift
  began=$(seconds)
  "$@"
  took="$took$(printf '\n%-44s %5d s' "$label" $(($(seconds) - began)))"
}

took=""
timed "git clone" git clone --quiet "$source" "$folder/quarterdeck"
cd "$folder/quarterdeck"
echo "Cloned $(git rev-parse --short HEAD) into $PWD"
ports="ARGS=--port 0 --grpc-port 0"
timed "first start to result (make demo)" make demo "$ports"
timed "second start: goes on with the open run" make demo "$ports"
timed "the same month anew (make demo NEW=1)" make demo NEW=1 "$ports"
if [ -n "${QD_FRESH_TEST:-}" ]; then
  timed "make test" make test
fi
echo "$took"
