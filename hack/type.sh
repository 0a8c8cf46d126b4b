#!/usr/bin/env sh
# Checks the types of every distribution, of the example, of our own scripts and of the tests that span services. Usage: hack/type.sh PYTHON
set -eu
cd "$(dirname "$0")/.."
python=$1
"$python" -m mypy libs/*/src services/*/src cli/src hack
MYPYPATH=examples/invoice-matching "$python" -m mypy examples/invoice-matching
MYPYPATH=tests/e2e:examples/invoice-matching "$python" -m mypy tests/e2e
MYPYPATH=tests/chaos:tests/e2e:.:examples/invoice-matching "$python" -m mypy tests/chaos/chaos_kit
MYPYPATH=tests/weather:tests/e2e:.:examples/invoice-matching "$python" -m mypy tests/weather/weather_kit
MYPYPATH=tests/cluster:tests/e2e:examples/invoice-matching "$python" -m mypy tests/cluster
