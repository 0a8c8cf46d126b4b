#!/usr/bin/env sh
# Runs benchmarks: bench/NAME.py or bench/NAME/__main__.py. Usage: hack/bench.sh PYTHON NAME|all
set -eu
cd "$(dirname "$0")/.."
python=$1
wanted=$2

run() {
  if [ -f "bench/$1.py" ]; then
    "$python" "bench/$1.py"
  elif [ -f "bench/$1/__main__.py" ]; then
    "$python" "bench/$1"
  else
    echo "error: there is no benchmark $1" >&2
    exit 2
  fi
}

if [ "$wanted" != all ]; then
  run "$wanted"
  exit
fi
for path in bench/*.py bench/*/__main__.py; do
  [ -f "$path" ] || continue
  name=${path#bench/}
  name=${name%/__main__.py}
  name=${name%.py}
  case $name in _*) continue ;; esac
  echo "== $name"
  run "$name"
done
