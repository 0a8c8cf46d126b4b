#!/usr/bin/env sh
# Makes a virtual environment and installs into it. Usage: hack/venv.sh demo|dev [folder, default .venv]
#
# First the hash-pinned requirements, then our distributions from this tree: pip refuses editable paths
# where hashes are required. Nothing is done that was done already: the stamp <folder>/.installed-<set>
# is younger than what it was made from.
set -eu
cd "$(dirname "$0")/.."
wanted=$1
venv=${2:-.venv}
python="$venv/bin/python"

if ! "$python" -c '' >/dev/null 2>&1; then
  found=$(sh hack/find_python.sh)
  echo "Making $venv with $found ($("$found" -V))"
  "$found" -m venv --clear "$venv"
fi

pip() {
  "$python" -m pip --disable-pip-version-check --no-input --quiet "$@"
}

echo "Installing requirements/$wanted.txt (the first time takes a minute or two)"
pip install --require-hashes -r "requirements/$wanted.txt"

echo "Installing the distributions of this tree"
set --
for project in libs/*/pyproject.toml services/*/pyproject.toml cli/pyproject.toml; do
  set -- "$@" -e "$(dirname "$project")"
done
pip install --no-deps --no-build-isolation "$@"

touch "$venv/.installed-$wanted"
# The development set holds everything the demo needs, so the demo must not install again.
if [ "$wanted" = dev ]; then
  touch "$venv/.installed-demo"
fi
