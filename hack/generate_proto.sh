#!/usr/bin/env sh
# Regenerates libs/proto from proto/. Usage: hack/generate_proto.sh [output folder]
set -eu
cd "$(dirname "$0")/.."
out=${1:-libs/proto/src}
python=${PYTHON:-.venv/bin/python}
bin=$(cd "$(dirname "$python")" && pwd)
mkdir -p "$out"
PATH="$bin:$PATH" "$python" -m grpc_tools.protoc -Iproto \
  --python_out="$out" --grpc_python_out="$out" --mypy_out=quiet:"$out" --mypy_grpc_out=quiet:"$out" \
  proto/quarterdeck/v1/*.proto
