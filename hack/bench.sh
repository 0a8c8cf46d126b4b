#!/usr/bin/env sh
# Runs benchmarks: bench/NAME.py or bench/NAME/__main__.py. Usage: hack/bench.sh PYTHON NAME|all
set -eu
cd "$(dirname "$0")/.."
python=$1
wanted=$2

# Runs one; a missed target is printed and is no failure of the run.
run() {
  if [ -f "bench/$1.py" ]; then
    "$python" "bench/$1.py"
  elif [ -f "bench/$1/__main__.py" ]; then
    PYTHONPATH="$PWD/bench:$PWD${PYTHONPATH:+:$PYTHONPATH}" "$python" -m "$1"
  else
    echo "error: there is no benchmark $1" >&2
    exit 2
  fi
}

peers() {
  # The peers have an environment of their own, so that nothing of theirs is ever imported by the platform.
  stamp=.venv-bench/.installed
  if [ ! -f "$stamp" ] || [ requirements/bench.txt -nt "$stamp" ]; then
    "$python" -m venv --clear .venv-bench
    .venv-bench/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/bench.txt
    touch "$stamp"
  fi
}

peers
if [ "$wanted" != all ]; then
  run "$wanted"
  exit
fi
for name in sqlite runtime claims map startup gateway tools bridge memory; do
  echo "== $name"
  run "$name" || failed=1
done
echo "== not run here, for it takes a quarter of an hour and API servers: make bench-controllers"
echo "== all of it, in build/bench.json"
"$python" bench/report.py collect
exit "${failed:-0}"
