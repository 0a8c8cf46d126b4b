#!/usr/bin/env sh
# Fuzzes each parser that strangers' bytes meet first, guided by coverage. What breaks one is left in build/fuzz.
# Usage: hack/fuzz.sh PYTHON SECONDS [PARSER...]
set -eu
cd "$(dirname "$0")/.."
python=$1 seconds=$2
shift 2
if ! "$python" -c 'import atheris' 2>/dev/null; then
  echo "NOT FUZZED by atheris: it is not installed here; tests/security has done the same by hypothesis"
  exit 0
fi
export PYTHONPATH="tests/security:tests/badinput:${PYTHONPATH:-}"
mkdir -p build/fuzz
for parser in ${*:-$("$python" -c 'from security_kit.parsers import TARGETS; print(*TARGETS)')}; do
  echo "fuzzing $parser for $seconds s"
  "$python" -m security_kit "$parser" -max_total_time="$seconds" -artifact_prefix=build/fuzz/"$parser"- \
    >build/fuzz/"$parser".log 2>&1 || { tail -40 build/fuzz/"$parser".log; exit 1; }
  tail -1 build/fuzz/"$parser".log
done
