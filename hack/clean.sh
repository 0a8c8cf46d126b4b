#!/usr/bin/env sh
# Removes the virtual environment, caches and build output; never data. Usage: hack/clean.sh
set -eu
cd "$(dirname "$0")/.."
rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist web/dist web/node_modules
find libs services cli tests examples bench hack -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
